import { PUBLISH_TIMEOUT_MS } from '../children/notes.ts'
import { breaks, type History, type Life, overlap } from './history.ts'

/** How soon after a fault a connection that it broke is found to be broken. */
const NOTICED_MS = 1_000

/**
 * How often each message may be handled once more, by what was unsettled when something went wrong. Delivery is at least once: a fault may
 * repeat what was out at that moment and nothing else. All of it is taken from what the processes said:
 *
 * - what a member had been handed and had not settled when it was killed or lost its connection is handed out again. Settlements get no
 *   answer, so what was sent since the fault began, or so shortly before it that it may not have been heard, counts as not settled.
 * - what was being published while a connection was lost is published again, and may have arrived the first time: a producer's messages, and
 *   the copies that members store for a retry or as dead letters. So may what was refused ("it may still be on the broker") and sent again.
 * - a retry that fell due while the broker went down was being moved to its queue, and may be moved again.
 */
export function allowancesOf(history: History): ReadonlyMap<string, number> {
  const allowed = new Map<string, number>()
  const allow = (id: string) => allowed.set(id, (allowed.get(id) ?? 0) + 1)
  const { unheardMs } = history.doubts
  const falls = fallsOf(history)
  for (const life of history.lives) {
    for (const loss of lossesOf(life, history)) for (const id of loss.ids) allow(id)
    const breaches = breachesOf(life, history)
    for (const { id, from, to, again } of publishes(life)) {
      if (again) allow(id)
      for (const breach of breaches) if (from <= breach.lostAt && to >= breach.at) allow(id)
    }
    for (const { id, due } of delayed(life)) for (const fall of falls) if (due >= fall.at - unheardMs && due <= fall.lostAt) allow(id)
  }
  return allowed
}

export interface Loss {
  readonly at: number
  readonly life: string
  /** What was out there, once for each time it was out. */
  readonly ids: readonly string[]
  /** Whether something was done to it that explains the loss. */
  readonly explained: boolean
  readonly why: string
}

/** Every time a member lost what it had: its connection, or its life. */
export function lossesOf(life: Life, { faults, doubts }: History): readonly Loss[] {
  const losses: Loss[] = []
  let out: string[] = []
  let settled: { readonly id: string; readonly at: number }[] = []
  let upAt: number | undefined
  const lose = (at: number, why: string, killed: boolean) => {
    const from = upAt ?? at
    const causes = faults.filter((fault) => breaks(fault, life.name, doubts) && overlap(fault, from, at))
    // A frozen line may still hold what was sent into it.
    const held = faults.filter((fault) => fault.life === undefined && overlap(fault, Math.max(from, at - doubts.unheardMs), at))
    const began = Math.min(at, ...[...causes, ...held].map((fault) => fault.at))
    const unheard = settled.filter((one) => one.at >= began - doubts.unheardMs).map(({ id }) => id)
    losses.push({ at, life: life.name, ids: [...out, ...unheard], explained: killed || causes.length > 0, why })
    out = []
    settled = []
    upAt = undefined
  }
  for (const note of life.notes) {
    if (note.what === 'delivered') {
      out.push(note.id)
      upAt ??= note.at
    } else if (note.what === 'settled') {
      const i = out.indexOf(note.id)
      if (i >= 0) out.splice(i, 1)
      settled.push(note)
    } else if (note.what === 'state' && note.of === 'group') {
      if (note.state === 'reconnecting' && upAt !== undefined) lose(note.at, note.why ?? '', false)
      if (note.state === 'consuming') upAt ??= note.at
    }
  }
  if (life.end?.how !== 'closed' && life.end && upAt !== undefined) lose(life.end.at, life.end.how, true)
  return losses
}

/** A fault, until the connection was lost by it: what was in flight in between may have arrived. */
interface Breach {
  readonly at: number
  readonly lostAt: number
}

function breachesOf(life: Life, { faults, doubts }: History): readonly Breach[] {
  const lost = life.notes.flatMap((note) =>
    note.what === 'state' && note.of === 'connection' && note.state === 'reconnecting' ? note.at : [],
  )
  return faults
    .filter((fault) => breaks(fault, life.name, doubts))
    .map((fault) => {
      // A line that was cut is given up when it has been silent for long enough, each of several at its own time.
      const noticedBy = fault.until + NOTICED_MS + (fault.kind === 'cut' && Number.isFinite(doubts.silenceMs) ? 3 * doubts.silenceMs : 0)
      return { at: fault.at, lostAt: lost.findLast((at) => at >= fault.at && at <= noticedBy) ?? fault.until }
    })
}

/** When the broker itself went down, until its clients noticed. */
function fallsOf({ lives, faults }: History): readonly Breach[] {
  const lost = lives.flatMap(({ notes }) =>
    notes.flatMap((note) => (note.what === 'state' && note.state === 'reconnecting' ? note.at : [])),
  )
  return faults
    .filter(({ kind }) => kind === 'restart' || kind === 'kill')
    .map(({ at, until }) => ({ at, lostAt: Math.min(until, ...lost.filter((one) => one >= at)) }))
}

interface Publish {
  readonly id: string
  readonly from: number
  readonly to: number
  /** It ended in doubt, and was sent again under the same id. */
  readonly again: boolean
}

/** Everything a process published, and from when to when it was not confirmed. */
function publishes({ notes, end }: Life): readonly Publish[] {
  const done: Publish[] = []
  const begun: { readonly id: string; readonly from: number }[] = []
  const over = (id: string, to: number, again = false) => {
    // Of several under one id the latest: who hears nothing of an earlier one must take it to be under way.
    const i = begun.findLastIndex((one) => one.id === id)
    for (const { from } of i < 0 ? [] : begun.splice(i, 1)) done.push({ id, from, to, again })
  }
  for (const note of notes) {
    if (note.what === 'sending') for (const { id } of note.messages) begun.push({ id, from: note.at })
    else if (note.what === 'confirmed') for (const id of note.ids) over(id, note.at)
    else if (note.what === 'refused') for (const id of note.ids) over(id, note.at, true)
    else if (note.what === 'threw') begun.push({ id: note.id, from: note.at })
    else if (note.what === 'settled' && note.how !== 'ack') over(note.id, note.at)
  }
  // A copy whose original was lost meanwhile is stored all the same, and nobody says when.
  const ended = end?.at ?? Number.POSITIVE_INFINITY
  for (const { id, from } of begun) done.push({ id, from, to: Math.min(ended, from + PUBLISH_TIMEOUT_MS), again: false })
  return done
}

/** When the retries it asked for fell due. */
function delayed({ notes }: Life): readonly { readonly id: string; readonly due: number }[] {
  return notes.flatMap((note) =>
    note.what === 'settled' && note.afterMs !== undefined ? [{ id: note.id, due: note.at + note.afterMs }] : [],
  )
}
