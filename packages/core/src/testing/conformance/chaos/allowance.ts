import { FIRST_RETRY_MS, LONGEST_RETRY_MS, MAX_RETRIES, PUBLISH_TIMEOUT_MS } from '../notes.ts'
import { breaks, type Doubts, type Fault, type History, type Life, overlap } from './history.ts'

/** How soon after a fault a connection that it broke is found to be broken. */
const NOTICED_MS = 1_000
/** So long a member that is told to close tries to settle what it has handled. */
const CLOSES_WITHIN_MS = 10_000
/** So long a member may take from storing what it brings back until that is noted as brought back: a broker that is busy answers late. */
const NOTED_MS = 1_000

/**
 * How often each message may be handled once more, by what was unsettled when something went wrong. Delivery is at least once: a fault may
 * repeat what was out at that moment and nothing else. All of it is taken from what the processes said:
 *
 * - what a member had been handed and had not settled when it was killed or lost its connection is handed out again. Where settlements get
 *   no answer, what was sent since the fault began, or so shortly before it that it may not have been heard, counts as not settled.
 * - what was being published while a connection was lost is published again, and may have arrived the first time: a producer's messages, and
 *   the copies that members store for a retry or as dead letters. So may what was refused ("it may still be on the broker") and sent again.
 * - a retry that fell due while the broker went down was being moved to its queue, and may be moved again. Where members do that, so may
 *   what was due when one of them was lost and had not been handed out again.
 */
export function allowancesOf(history: History): ReadonlyMap<string, number> {
  const allowed = new Map<string, number>()
  const allow = (id: string) => allowed.set(id, (allowed.get(id) ?? 0) + 1)
  const doubtful = movesInDoubt(history)
  for (const life of history.lives) {
    for (const loss of lossesOf(life, history)) for (const id of loss.ids) allow(id)
    const lostAt = connectionLosses(life)
    const breaches = breachesOf(life, history)
    for (const { id, from, to, again } of publishes(life)) {
      if (again) allow(id)
      // Each time its connection is lost meanwhile it is sent again.
      const times = breaches.filter((breach) => from <= breach.lostAt && to >= breach.at).length
      const resent = times > 0 ? lostAt.filter((at) => at >= from && at <= to).length : 0
      for (let n = Math.max(times, resent); n > 0; n--) allow(id)
    }
    for (const retry of retriesOf(life)) for (let n = doubtful(retry); n > 0; n--) allow(retry.id)
  }
  return allowed
}

export interface Loss {
  readonly at: number
  /** From then on it could do nothing with it any more. */
  readonly to: number
  /** It was only its connection. */
  readonly keeps: boolean
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
  let out: { readonly id: string; readonly at: number }[] = []
  let settled: { readonly id: string; readonly at: number }[] = []
  let upAt: number | undefined
  let isDown = false
  const lose = (at: number, why: string, { killed = false, keeps = false } = {}) => {
    const from = upAt ?? at
    const broke = faults.filter((fault) => breaks(fault, life.name, doubts))
    const movesForMs = (fault: Fault) => (fault.life === undefined ? doubts.movesForMs : 0)
    const during = broke.filter((fault) => overlap({ ...fault, until: fault.until + movesForMs(fault) }, from, at))
    // Of several lines that were cut some may be silent for longer, and it may be up meanwhile.
    // And who was frozen is told that it was given up when there is a broker that can.
    const late = (fault: Fault) => {
      if (fault.kind === 'cut') return overlap({ ...fault, until: noticedBy(fault, doubts) }, from, at)
      const away = faults.filter((one) => one.life === undefined && overlap(one, fault.until, fault.until))
      return fault.life !== undefined && away.some(({ until }) => overlap({ ...fault, until: until + doubts.silenceMs }, from, at))
    }
    const causes = during.length > 0 ? during : broke.filter(late)
    // A frozen line may still hold what was sent into it.
    const held = faults.filter((fault) => fault.life === undefined && overlap(fault, Math.max(from, at - doubts.unheardMs), at))
    const began = Math.min(at, ...[...causes, ...held].map((fault) => fault.at))
    const unheard = doubts.answersSettlements ? [] : settled.filter((one) => one.at >= began - doubts.unheardMs)
    // It was given up while it was frozen: what it hands out after that is not its own any more.
    const frozen = doubts.sendsAhead ? undefined : causes.findLast(({ kind }) => kind === 'stopMember' || kind === 'stopMemberLong')
    const to = frozen?.at ?? at
    const gone = keeps ? [] : [...out.filter((one) => one.at <= (frozen?.until ?? at)), ...unheard]
    losses.push({ at, to, keeps, life: life.name, ids: gone.map(({ id }) => id), explained: killed || causes.length > 0, why })
    isDown = true
    if (keeps) return
    out = []
    settled = []
  }
  for (const note of life.notes) {
    if (note.what === 'delivered') {
      out.push(note)
      upAt ??= note.at
    } else if (note.what === 'settled') {
      const i = out.findIndex(({ id }) => id === note.id)
      if (i >= 0) out.splice(i, 1)
      settled.push(note)
    } else if (note.what === 'state' && note.of === 'group') {
      if (note.state === 'reconnecting' && upAt !== undefined)
        lose(note.at, note.why ?? '', { keeps: doubts.losesWith !== undefined && note.code !== doubts.losesWith })
      if (note.state === 'consuming') {
        // Until then more may be lost by the same.
        if (isDown) upAt = note.at
        upAt ??= note.at
        isDown = false
      }
    }
  }
  if (life.end && upAt !== undefined) {
    // Who closes while there is no broker does not wait for its answer; that there is none, it may have to find out first.
    const closing = life.end.at - CLOSES_WITHIN_MS
    const late = (fault: Fault) => (fault.kind === 'cut' ? { ...fault, until: noticedBy(fault, doubts) } : fault)
    const gaveUp = faults.some((fault) => breaks(fault, life.name, doubts) && overlap(late(fault), closing, life.end?.at ?? 0))
    if (life.end.how !== 'closed' || (out.length > 0 && gaveUp)) lose(life.end.at, life.end.how, { killed: true })
  }
  return losses
}

/** A fault, until the connection was lost by it: what was in flight in between may have arrived. */
interface Breach {
  readonly at: number
  readonly lostAt: number
}

function breachesOf(life: Life, { faults, doubts }: History): readonly Breach[] {
  const lost = connectionLosses(life)
  return faults
    .filter((fault) => breaks(fault, life.name, doubts))
    .map((fault) => ({
      at: fault.at,
      // A partition may change hands once more when its broker is back, and what was stored before that may not be confirmed.
      lostAt: Math.max(
        lost.findLast((at) => at >= fault.at && at <= noticedBy(fault, doubts)) ?? fault.until,
        fault.life === undefined && doubts.movesForMs > 0 ? fault.until + doubts.movesForMs : 0,
      ),
    }))
}

function connectionLosses({ notes }: Life): readonly number[] {
  return notes.flatMap((note) => (note.what === 'state' && note.of === 'connection' && note.state === 'reconnecting' ? note.at : []))
}

/** A line that was cut is given up when it has been silent for long enough, each of several at its own time. */
function noticedBy({ kind, until }: Fault, { silenceMs }: Doubts): number {
  return until + NOTICED_MS + (kind === 'cut' && Number.isFinite(silenceMs) ? 3 * silenceMs : 0)
}

/** How often a retry may have been brought back once more. */
function movesInDoubt(history: History): (retry: Retry) => number {
  const { doubts, lives } = history
  const falls = fallsOf(history)
  if (!doubts.membersBringBack) return ({ due }) => falls.filter((fall) => due >= fall.at - doubts.unheardMs && due <= fall.lostAt).length
  const losses = lives.flatMap((life) => lossesOf(life, history).filter(({ keeps }) => !keeps)).map(({ to }) => ({ at: to, lostAt: to }))
  const handedOut = new Map<string, number[]>()
  for (const { notes } of lives)
    for (const note of notes) if (note.what === 'delivered') handedOut.set(note.id, [...(handedOut.get(note.id) ?? []), note.at])
  return ({ id, at, dueFrom }) => {
    const againAt = Math.min(...(handedOut.get(id) ?? []).filter((one) => one > at))
    return [...falls, ...losses].filter((loss) => dueFrom <= loss.lostAt && againAt >= loss.at - NOTED_MS).length
  }
}

/** When the broker itself went down, or was out of reach, until the last of its clients noticed: it ends their connections one by one, and works until then. */
function fallsOf({ lives, faults, doubts }: History): readonly Breach[] {
  const lost = lives.map(({ notes }) => notes.flatMap((note) => (note.what === 'state' && note.state === 'reconnecting' ? note.at : [])))
  const noticed = ({ at, until }: Fault) => {
    const firsts = lost.flatMap((times) => times.find((one) => one >= at) ?? []).filter((one) => one <= until)
    return firsts.length > 0 ? Math.max(...firsts) : until
  }
  const falls = (fault: Fault) =>
    doubts.membersBringBack ? fault.life === undefined && breaks(fault, '', doubts) : fault.kind === 'restart' || fault.kind === 'kill'
  return faults.filter(falls).map((fault) => ({
    at: fault.at,
    lostAt: doubts.movesForMs > 0 ? fault.until + doubts.movesForMs : noticed(fault),
  }))
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

interface Retry {
  readonly id: string
  readonly at: number
  readonly due: number
  /** It was stored after its handler had thrown, and perhaps long before that was said to be settled. */
  readonly dueFrom: number
}

function retriesOf({ notes }: Life): readonly Retry[] {
  const threw = new Map<string, { readonly at: number; readonly attempt: number }>()
  const retries: Retry[] = []
  for (const note of notes) {
    if (note.what === 'threw') threw.set(note.id, note)
    if (note.what !== 'settled') continue
    const { id, at, afterMs } = note
    if (afterMs !== undefined) retries.push({ id, at, due: at + afterMs, dueFrom: (threw.get(id)?.at ?? at) + afterMs })
    threw.delete(id)
  }
  // It was lost before it could say so: the copy may be stored.
  for (const [id, { at, attempt }] of threw) {
    const due = at + Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LONGEST_RETRY_MS)
    if (attempt <= MAX_RETRIES) retries.push({ id, at, due, dueFrom: due })
  }
  return retries
}
