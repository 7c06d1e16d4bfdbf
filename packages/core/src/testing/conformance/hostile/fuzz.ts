import type { DeadLetter, Driver } from '../../../driver.ts'
import { HEADER } from '../../../wire/headers.ts'
import { changesOf } from '../chaos/mutation.ts'
import { PATIENCE } from '../patience.ts'
import type { Room } from '../room.ts'
import { quiet } from '../wait.ts'
import type { Finding } from './finding.ts'
import { asText, doesWith, numberAt, type Odd } from './odd.ts'
import type { HostileMutation } from './safeguards.ts'
import { type FuzzService, startService } from './service.ts'

export interface FuzzOptions {
  /** Written one after another. */
  readonly batches: Iterable<readonly Odd[]>
  readonly numbers: readonly number[]
  readonly mutation?: Pick<HostileMutation, 'name' | 'changes' | 'kills'>
}

const KILLS = 4
/** A settlement takes so many turns of the event loop. */
const MOST_TURNS = 8
/** When so much of it is written. */
const KILLS_BETWEEN = [0.1, 0.45] as const
const RESTART_AT = 0.5
const HEAP_AT = 0.7
/** With fewer messages a kill hits nothing. */
const KILLS_FROM_MESSAGES = 100
/** With fewer messages the heap says nothing. */
const HEAP_FROM_MESSAGES = 50_000
const HEAP_MAY_GROW_BYTES = 10 * 1024 * 1024
/** Nothing has happened for so long: nothing will. */
const CALM_MS = 15_000
const LOOK_EVERY_MS = 20
const HOUR_MS = 3_600_000

/**
 * Writes the messages as somebody else would; a consumer handles, retries and buries them, and is killed now and then, and the broker is started
 * anew in the middle. Then all letters are handed back to one that succeeds. Says what is wrong; nothing, when all is well.
 */
export async function fuzz(room: Room, options: FuzzOptions): Promise<readonly Finding[]> {
  const { numbers, mutation } = options
  const changes = mutation ? changesOf(mutation) : []
  const topic = room.topic()
  const driver = await room.connect()
  const handled = new Set<number>()
  const run: Run = {
    room,
    topic,
    driver,
    numbers,
    handled,
    kills: mutation?.kills ?? KILLS,
    start: (mended) => startService(room, { topic, mended, changes, onHandled: (n) => handled.add(n) }),
  }
  const { service, heapBytes } = await disturbed(run, options.batches)
  const { findings, letters } = await judged(run, service)
  const lastBytes = heapBytes > 0 && service.heapBytes ? await service.heapBytes() : 0
  if (lastBytes - heapBytes > HEAP_MAY_GROW_BYTES)
    findings.push({ kind: 'grew', text: `the heap grew from ${heapBytes} to ${lastBytes} bytes` })
  if (findings.length === 0) await service.close()
  else await service.end()
  return findings.length > 0 ? findings : handedBack(run, letters)
}

interface Run {
  readonly room: Room
  readonly topic: string
  readonly driver: Driver
  readonly numbers: readonly number[]
  readonly kills: number
  readonly handled: Set<number>
  readonly start: (mended: boolean) => Promise<FuzzService>
}

/** Writes everything, while things go wrong. */
async function disturbed(run: Run, batches: Iterable<readonly Odd[]>): Promise<{ service: FuzzService; heapBytes: number }> {
  const { room, numbers, kills, start } = run
  let service = await start(false)
  let heapBytes = 0
  const kill = async (turns: number) => {
    if (!service.kill || numbers.length < KILLS_FROM_MESSAGES) return
    await service.kill(turns)
    service = await start(false)
  }
  const due = killsAt(kills)
  const restart = room.target.faults?.restart
  let killed = 0
  let written = 0
  for (const batch of batches) {
    const before = written / numbers.length
    written += batch.length
    const now = written / numbers.length
    const passes = (at: number) => before < at && at <= now
    const writing = write(run, batch)
    // Each at another step of a settlement: so many turns of the event loop after a handler has thrown.
    for (; killed < due.length && (due[killed] as number) <= now; killed++) await kill((killed * 7) % MOST_TURNS)
    await writing
    // Whoever writes knows nothing of brokers that go away.
    if (passes(RESTART_AT)) await restart?.()
    if (passes(HEAP_AT) && numbers.length >= HEAP_FROM_MESSAGES) heapBytes = (await service.heapBytes?.()) ?? 0
  }
  return { service, heapBytes }
}

function killsAt(kills: number): readonly number[] {
  const [first, last] = KILLS_BETWEEN
  return Array.from({ length: kills }, (_, i) => first + (i * (last - first)) / kills)
}

async function judged(run: Run, service: FuzzService): Promise<{ findings: Finding[]; letters: readonly DeadLetter[] }> {
  const { topic, driver, numbers, handled } = run
  const { admin } = driver
  const letters = async () => admin.deadLetters({ topic, group: 'g' }).then(({ letters }) => letters)
  const isOver = async () => {
    const dead = numbersIn(await letters())
    return numbers.every((n) => handled.has(n) || dead.has(n))
  }
  await calm(service, async () => {
    const { dead } = await admin.depth(topic, 'g')
    const { unsettled } = await service.health()
    const isDone = unsettled === 0 && handled.size + dead >= numbers.length && (await isOver())
    return { isDone, progress: handled.size + dead }
  })
  const health = await service.health()
  const { ready, delayed = 0, inFlight = 0 } = await admin.depth(topic, 'g')
  const left = ready + delayed + inFlight
  const found = await letters()
  const dead = numbersIn(found)
  const findings: Finding[] = numbers
    .filter((n) => !handled.has(n) && !dead.has(n))
    .map((n) => ({
      kind: left > 0 || health.unsettled > 0 ? 'stuck' : 'lost',
      n,
      text: `#${n} is neither handled nor dead; ${left} are left`,
    }))
  for (const letter of found) findings.push(...wrongWith(letter))
  const ended = service.ended()
  if (ended !== undefined) findings.push({ kind: 'died', text: ended })
  else if (!health.isWell || health.reasons.length > 0) findings.push({ kind: 'unhealthy', text: health.reasons.join('; ') })
  return { findings, letters: found }
}

function wrongWith({ message, group, at }: DeadLetter): readonly Finding[] {
  const { [HEADER.reason]: reason = '', [HEADER.attempt]: attempt = '' } = message.headers
  const n = numberAt(message.body)
  const does = doesWith(n)
  // What fails once and cannot be stored for its second attempt is dead at once.
  const belongs = does === 'fails always' || (does === 'fails once' && reason === 'unstorable')
  const isWhole = group === 'g' && Math.abs(Date.now() - at) < HOUR_MS && /^(failed|unstorable)$/.test(reason) && /^[12]$/.test(attempt)
  const said = JSON.stringify({ group, at, ...message.headers }).slice(0, 500)
  return [
    ...(belongs ? [] : [{ kind: 'wronglyDead' as const, n, text: `#${n} ${does}, and is dead: ${said}` }]),
    ...(isWhole ? [] : [{ kind: 'letter' as const, n, text: `#${n}: ${said}` }]),
  ]
}

async function handedBack({ topic, driver, handled, start }: Run, letters: readonly DeadLetter[]): Promise<readonly Finding[]> {
  const { admin } = driver
  const findings: Finding[] = []
  const dead = numbersIn(letters)
  handled.clear()
  const service = await start(true)
  const replayed = await admin.replay({ topic, group: 'g' }, { [HEADER.attempt]: '1' })
  if (replayed !== letters.length) findings.push({ kind: 'notReplayed', text: `${replayed} of ${letters.length} letters were handed back` })
  await calm(service, async () => {
    await service.health()
    return { isDone: handled.size >= dead.size, progress: handled.size }
  })
  for (const n of dead) if (!handled.has(n)) findings.push({ kind: 'notReplayed', n, text: `#${n} was handed back and not handled` })
  const { length: still } = (await admin.deadLetters({ topic, group: 'g' })).letters
  if (still > 0) findings.push({ kind: 'notReplayed', text: `${still} letters are there that were handed back` })
  await service.end()
  return findings
}

function numbersIn(letters: readonly DeadLetter[]): ReadonlySet<number> {
  return new Set(letters.map(({ message }) => numberAt(message.body)))
}

/** Until it is done, or nothing has happened for a while. */
async function calm(service: FuzzService, look: () => Promise<{ readonly isDone: boolean; readonly progress: number }>): Promise<void> {
  let before = -1
  let since = performance.now()
  for (;;) {
    const { isDone, progress } = await look()
    if (isDone || service.ended() !== undefined) return
    if (progress !== before) since = performance.now()
    before = progress
    if (performance.now() - since > CALM_MS * PATIENCE) return
    await quiet(LOOK_EVERY_MS)
  }
}

async function write({ room, topic, driver }: Run, batch: readonly Odd[]): Promise<void> {
  const { others } = room.target
  if (others) await others.write(topic, batch)
  else await driver.publish(batch.map((one) => ours(one, topic)))
}

/** Where nobody else can write, as our own producer could: what is ours it refuses. */
function ours({ n, id, key, headers, body }: Odd, topic: string) {
  const texts = headers
    .filter(([name]) => !name.startsWith('corebus-'))
    .map(([name, value]) => [name, asText(value).toWellFormed()] as const)
  return { id: id ? `${id}-${n}` : `m${n}`, topic, ...(key !== undefined && { key }), headers: Object.fromEntries(texts), body }
}
