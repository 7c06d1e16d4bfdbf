import type { Life } from './history.ts'

interface HandOut {
  readonly id: string
  readonly at: number
  /** As its member was told. */
  readonly unsettledBefore: number
  /** 'beside': it waited, or had just begun beside others, when its member was killed or lost its broker. */
  end: 'acked' | 'retried' | 'dead' | 'beside' | 'own'
}

const ENDS: Readonly<Record<string, HandOut['end']>> = { ack: 'acked', retry: 'retried', deadLetter: 'dead' }

/** So long a member begins nothing beside a message that was handed out before. */
const ALONE_MS = 250

/**
 * How often each message was handed out and not settled before it was dead-lettered, or came last: without the times that a member could have
 * spared it, when it was known to have been handed out before, and yet was kept beside others. What is left looks the same as a message that ends
 * its process: it was in its handler when its member was killed or cut off, or it came for the first time, or the broker counted what no member
 * ever saw.
 */
export function ownHandOuts(lives: readonly Life[]): ReadonlyMap<string, number> {
  const own = new Map<string, number>()
  const dead = new Map<string, number>()
  const spared = new Map<string, number>()
  const last = new Map<string, number>()
  for (const { id, unsettledBefore, end } of lives.flatMap(handOutsOf).sort((a, b) => a.at - b.at)) {
    // A new copy is counted anew.
    const before = unsettledBefore > (last.get(id) ?? -1) ? (spared.get(id) ?? 0) : 0
    last.set(id, unsettledBefore)
    own.set(id, unsettledBefore - before)
    // The broker may have it twice, and the other one may be dead-lettered as well.
    if (end === 'dead') dead.set(id, Math.max(dead.get(id) ?? 0, unsettledBefore - before))
    // An acknowledgement may be lost, and the same message comes again.
    spared.set(id, end === 'retried' || end === 'dead' ? 0 : before + (end === 'beside' && unsettledBefore > 0 ? 1 : 0))
  }
  return new Map([...own, ...dead])
}

function handOutsOf({ notes, end }: Life): readonly HandOut[] {
  const all: HandOut[] = []
  const out = new Map<string, HandOut>()
  const called = new Map<string, number>()
  const running = new Set<string>()
  const lose = (at: number) => {
    const justBegun = [...running].filter((id) => at - (called.get(id) ?? 0) < ALONE_MS)
    for (const [id, one] of out) if (called.has(id) && (!justBegun.includes(id) || justBegun.length === 1)) one.end = 'own'
    for (const ids of [out, running, called]) ids.clear()
  }
  for (const note of notes)
    if (note.what === 'delivered') {
      const one: HandOut = { id: note.id, at: note.at, unsettledBefore: note.unsettledBefore, end: 'beside' }
      all.push(one)
      out.set(note.id, one)
    } else if (note.what === 'called') {
      running.add(note.id)
      called.set(note.id, note.at)
    } else if (note.what === 'done' || note.what === 'threw') running.delete(note.id)
    else if (note.what === 'settled') {
      const one = out.get(note.id)
      if (one) one.end = ENDS[note.how] ?? 'retried'
      out.delete(note.id)
      called.delete(note.id)
    } else if (note.what === 'state' && note.of === 'group' && note.state === 'reconnecting') lose(note.at)
  if (end?.how === 'killed') lose(end.at)
  return all
}
