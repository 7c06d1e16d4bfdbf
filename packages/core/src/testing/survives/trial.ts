import { real } from '../../clock.ts'
import type { DispatchOptions } from '../../consumer/dispatch.ts'
import { CorebusError } from '../../errors.ts'
import type { HandlerSpec } from '../../handlers/handler.ts'
import { readOf } from '../read.ts'
import type { World } from '../world.ts'
import { companionTables, databaseOf } from './database.ts'
import { asDatabase, openedAs } from './handed-out.ts'
import { type Course, type History, histories, inTurn } from './histories.ts'
import type { Messages } from './messages.ts'
import type { SurvivesOptions } from './options.ts'
import { Replaced, watchOutside } from './outside.ts'
import { watchPublishing } from './publishing.ts'
import { currentRun, inside } from './run.ts'
import { watchSessions } from './sessions.ts'
import { Stage } from './stage.ts'
import { differences, type EndState, endState, unsteady } from './state.ts'
import type { Subject } from './subject.ts'
import { Told } from './told.ts'
import { unnamed, watchRequests } from './unseen.ts'

/** An instance while its handlers are tried. */
export interface Trial {
  readonly unseen: ReadonlySet<string>
  /** Plays every history with the handler, and says how those end that do not end well. */
  of(subject: Subject, messages: Messages): Promise<readonly string[]>
  /** Puts back what was replaced, and the rows. */
  end(): Promise<void>
}

export async function beginTrial(world: World, options: SurvivesOptions): Promise<Trial> {
  const { parts, messaging } = world.made
  const { outside = {}, snapshot, reset, ignore = [], idempotent = [], seed = 1, seeds = 5 } = options
  const telling = { told: new Told() }
  const unseen = new Set<string>()
  const replaced = new Replaced()
  const database = snapshot ? undefined : await databaseOf(parts.session)
  const beginning = await database?.rows()
  const comparing = { ignored: new Set([...ignore, ...companionTables(beginning)]), idempotent: new Set(idempotent) }
  const endWatch = watchRequests()
  const putBack = async (): Promise<void> => {
    if (beginning) await database?.putBack(beginning)
    await reset?.()
  }
  const endTrial = async (): Promise<void> => {
    endWatch()
    replaced.restore()
    await putBack()
  }
  let session: DispatchOptions['session']
  try {
    session = watchSessions(parts.session, replaced)
    watchPublishing({ driver: await messaging.driver(), outlet: parts.outlet, outbox: parts.outlet.outbox }, telling, replaced)
    watchOutside(outside, replaced)
  } catch (thrown) {
    await endTrial()
    throw thrown
  }
  if (parts.session && !database && !snapshot)
    unseen.add('the rows of its database, which is on a server or of a library that is not known: give survives a snapshot and a reset')

  const play = async (subject: Subject, course: Course, waits: Set<string>): Promise<Played> => {
    await putBack()
    const dispatch = dispatchOf(subject.handling.dispatch, session, world)
    const patienceMs = world.quiet.patienceMs
    const stage = new Stage({ subject, dispatch, database, beginning, waits, patienceMs, rollBack: () => rollBack(outside) })
    telling.told = stage.told
    await course(stage)
    while (parts.outlet.background.size > 0) await new Promise<void>((resolve) => real.setImmediate(resolve))
    const rows = await database?.rows()
    const { told, failed } = stage
    const read: Parameters<typeof endState>[0]['read'] = ({ message, due }) => {
      const { event = message.topic, data } = readOf(message, undefined, parts.config.formats)
      return { name: event, data: due ? { ...(data as object), due: JSON.stringify(due) } : data }
    }
    return { stage, state: endState({ told, rows, snapshot: await snapshot?.(), failed, read }, comparing) }
  }

  const of = async (subject: Subject, messages: Messages): Promise<readonly string[]> => {
    const { where } = subject.handler.spec
    const waits = new Set<string>()
    const { message, newer } = messages
    const clean = await play(subject, inTurn(message), waits)
    mustBeClean(where, clean.stage)
    const again = await play(subject, inTurn(message), waits)
    mustBeClean(where, again.stage)
    for (const name of unsteady(clean.state, again.state)) {
      comparing.ignored.add(name)
      unseen.add(`${name} of ${where}: it is another one each time, also when nothing is done to the handler`)
    }
    for (const one of await unseenBy(subject, clean.stage, { outside, resolve: parts.resolve })) unseen.add(one)
    const end = async (course: Course): Promise<EndState> => (await play(subject, course, waits)).state
    const [first, ordered, reversed] = [await end(inTurn(message)), await end(inTurn(message, newer)), await end(inTurn(newer, message))]
    const likes = { once: [first], 'in order': [ordered], 'in either order': [ordered, reversed] }
    const all = histories({
      messages,
      calls: clean.stage.calls,
      keepsOrder: subject.handling.plan.ordering === 'key',
      // Runs that wait for nothing cannot come between each other.
      seeds: Array.from({ length: waits.size > 0 ? seeds : 1 }, (_, i) => seed + i),
    })
    return findingsOf(all, likes, end)
  }
  return { unseen, of, end: endTrial }
}

/** Plays the histories, and says of each that does not come to what it is to be like how it differs. */
async function findingsOf(
  all: readonly History[],
  likes: Readonly<Record<History['like'], readonly EndState[]>>,
  end: (course: Course) => Promise<EndState>,
): Promise<readonly string[]> {
  const findings: string[] = []
  const found = new Set<string>()
  for (const { name, kind, like, unless, play } of all) {
    // The first order of two at once that shows something says it for the others.
    if (unless?.some((one) => found.has(one)) || (kind.endsWith('at once') && found.has(kind))) continue
    const got = await end(play)
    const differ = likes[like].map((wanted) => differences(wanted, got, { besideNumbers: like !== 'once' }))
    const [difference = []] = differ
    if (differ.some((one) => one.length === 0)) continue
    found.add(kind)
    findings.push(`${name}: ${difference.join(', ')}`)
  }
  return findings
}

interface Played {
  readonly stage: Stage
  readonly state: EndState
}

/** The runtime's own options for the group, in which runs can be killed. */
function dispatchOf(options: DispatchOptions, session: DispatchOptions['session'], { watching }: World): DispatchOptions {
  const { inbox, middleware } = options
  const marks = inbox && {
    firstTime: (...[db, group, message]: Parameters<typeof inbox.firstTime>): Promise<boolean> => {
      const run = currentRun()
      const mark = (): Promise<boolean> => inbox.firstTime(openedAs(db), group, message)
      return run ? inside(run, mark) : mark()
    },
  }
  return { ...options, session, inbox: marks, middleware: middleware.filter((one) => one !== watching) }
}

/** @throws CorebusError TEST_NOT_CLEAN */
function mustBeClean(where: string, { failed, error, skipped }: Stage): void {
  if (skipped)
    throw new CorebusError(
      'TEST_NOT_CLEAN',
      `survives cannot say anything of ${where}: the inbox knows the message from the run before. Empty its table in reset`,
    )
  if (failed === undefined) return
  throw new CorebusError(
    'TEST_NOT_CLEAN',
    `survives cannot say anything of ${where}: ${failed}, though nothing is done to it. It begins with what the database and the objects of outside have now: make that what the message needs`,
    { cause: error },
  )
}

/** A dead process leaves no transaction open. */
function rollBack(outside: Readonly<Record<string, object>>): void {
  for (const object of Object.values(outside)) {
    const database = object as { readonly isTransaction?: boolean; readonly inTransaction?: boolean; exec?(sql: string): unknown }
    if (asDatabase(object) && (database.isTransaction || database.inTransaction)) database.exec?.('ROLLBACK')
  }
}

async function unseenBy(
  { handler: { spec } }: Subject,
  { told, calls }: Stage,
  { outside, resolve }: { readonly outside: Readonly<Record<string, object>>; readonly resolve: Parameters<HandlerSpec['bind']>[0] },
): Promise<readonly string[]> {
  let instance: object | undefined
  await spec.bind(async (type) => {
    const resolved = await resolve(type)
    instance = resolved
    return resolved
  })
  const requests = [...told.requests].map(
    (to) => `the requests to ${to} of ${spec.where}: give it an object for them, and name that in outside`,
  )
  const others = unnamed(instance, Object.values(outside)).map((name) => `what ${spec.where} does by ${name}: name it in outside`)
  const nothing =
    calls.length === 0 ? [`any call of ${spec.where}: it used no database of a session, no object of outside, and published nothing`] : []
  return [...requests, ...others, ...nothing]
}
