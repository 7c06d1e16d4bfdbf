import { CorebusError } from '../../errors.ts'
import { checkOptions } from '../../options/check.ts'
import { callSite } from '../../process/call-site.ts'
import type { EventType } from '../../wire/event-type.ts'
import { type TestApp, worldOf } from '../app.ts'
import type { World } from '../world.ts'
import { messagesOf } from './messages.ts'
import { SURVIVES, type SurvivesOptions } from './options.ts'
import { subjectsOf } from './subject.ts'
import { beginTrial } from './trial.ts'
import { print } from './unseen.ts'

/** Apps whose handlers are being tried, and the line that does it. */
const tried = new WeakMap<object, string>()

/** Sentences, each with what was done to the handler and what came of it. Empty for a handler that is safe to repeat, as far as was seen. */
export interface Findings extends ReadonlyArray<string> {
  /** The things that could not be seen. They are said on stderr too, once in a process. */
  readonly unseen: readonly string[]
}

/**
 * Whether the handlers of a message are safe to repeat. Each of them handles it once, undisturbed; then, from the same beginning each time, it is killed
 * after each of its calls to the outside and the message is delivered again, the message is delivered twice, twice at once, and after a newer one of its
 * key. What differs in the end is a finding: rows, calls of `outside`, events that are published. Session, inbox, outbox and middleware are the service's
 * own; what is published meanwhile reaches nobody. The rows are put back in the end.
 * @throws CorebusError OPTION; TEST_NOT_CLEAN when the handler fails though nothing is done to it; what the publish of the message would throw
 * @example
 * expect(await survives(app, UserCreated, { id: 1, email: 'ana@example.com' })).toEqual([])
 */
export async function survives<Name extends string, Data = unknown>(
  app: TestApp,
  what: EventType<Name, Data> | string,
  payload: NoInfer<Data>,
  options: SurvivesOptions = {},
): Promise<Findings> {
  checkOptions('survives', options, SURVIVES)
  const world = worldOf(app)
  const where = tried.get(world)
  if (where !== undefined)
    throw new CorebusError(
      'TEST_NOT_AWAITED',
      `survives() at ${where} is not over, and was called again with its app: write await survives(...)`,
    )
  tried.set(world, callSite() ?? 'another place')
  try {
    await app.settled()
    return await findingsIn(world, what as EventType | string, payload, options)
  } finally {
    tried.delete(world)
  }
}

async function findingsIn(world: World, what: EventType | string, payload: unknown, options: SurvivesOptions): Promise<Findings> {
  const { consumers, defaults } = world.made.parts
  const messages = messagesOf(what, payload, options, defaults)
  const subjects = subjectsOf(consumers.handling(), what, messages.message.topic, options)
  const trial = await beginTrial(world, options)
  try {
    const findings: string[] = []
    for (const subject of subjects) {
      const found = await trial.of(subject, messages)
      findings.push(...(subjects.length === 1 ? found : found.map((one) => `${subject.handler.spec.where}: ${one}`)))
    }
    const unseen = [...trial.unseen]
    print(unseen)
    return Object.defineProperty(findings, 'unseen', { value: unseen }) as unknown as Findings // not enumerable, so that it equals []
  } finally {
    await trial.end()
  }
}
