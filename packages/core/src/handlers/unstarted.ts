import type { Logger } from 'pino'
import { systemClock } from '../clock.ts'
import { COMMAND, CorebusError } from '../errors.ts'
import { createLogger, levelIn } from '../observe/logger.ts'
import { isHosted } from '../process/hosted.ts'
import { registry } from '../process/registry.ts'
import { type Wanted, want, wanted } from '../process/wanted.ts'

/** Something that would handle messages, until it runs. */
interface Waiting {
  /** The instance it belongs to. */
  readonly owner: object
  /** For messages to people. */
  readonly where: string
  /** The logger of its instance, where there is one already. */
  readonly logger: Pick<Logger, 'warn'> | undefined
  /** It is no handler: what to do about it. */
  readonly hint?: string
  said?: true
}

/** A start comes in the first seconds of a process, or was forgotten. */
const LONGEST_WAIT_MS = 10_000
const MOST_NAMED = 5

/**
 * By the class or the registration itself: a class may be taken over by another instance. In the registry: what one copy of the package has recorded
 * another may start.
 */
const waiting = registry.waiting as Map<object, Waiting>

/** A handler was registered. When nothing starts it, that is said once: after ten seconds, or when the process ends because it has nothing to do. */
export function awaitsStart(handler: object, entry: Waiting): void {
  waiting.set(handler, entry)
  if (registry.endWatch) return
  const cancel = systemClock.after(LONGEST_WAIT_MS, say)
  process.once('beforeExit', say)
  registry.endWatch = () => {
    registry.endWatch = undefined
    process.off('beforeExit', say)
    cancel()
  }
}

/** Something was registered for a companion. When no companion takes it, that is said as of handlers: an instance that is not the default one asks for none. */
export function awaitsCompanion(option: string, one: Wanted): void {
  want(option, one)
  if (registry.taken?.has(option)) return
  awaitsStart(one, { owner: wanted(option), where: one.where, logger: undefined, hint: one.hint })
}

/** A companion runs what is registered for the option, now and later, or was closed. */
export function takesWanted(option: string): void {
  registry.taken ??= new Set()
  registry.taken.add(option)
  endsWaiting(wanted(option))
}

/** Another class stands for it now. */
export function awaitsInPlaceOf(handler: object, by: object): void {
  const entry = waiting.get(handler)
  if (!entry) return
  waiting.delete(handler)
  waiting.set(by, entry)
}

/** The instance runs its handlers, or never will: it was closed. */
export function endsWaiting(owner: object): void {
  for (const [handler, entry] of waiting) if (entry.owner === owner) waiting.delete(handler)
  if (waiting.size === 0) registry.endWatch?.()
}

/** The places of handlers that other instances have and do not run yet. */
export function waitingElsewhere(owner: object): readonly string[] {
  return [...waiting.values()].filter((entry) => entry.owner !== owner && entry.hint === undefined).map(({ where }) => where)
}

/** An instance was started that has none: usually they were not imported, or belong to another one. */
export function noHandlers(elsewhere: readonly string[], isDefault: boolean): CorebusError {
  const there =
    elsewhere.length === 0
      ? 'register some with @consumer, messageHandler or messaging.on before start. If you have some, import their files: a compiler drops an import of which only types are used, and `import "./orders.js"` stays'
      : isDefault
        ? `those there are belong to an instance made by createMessaging, which starts them itself: ${named(elsewhere)}`
        : `those there are belong to another instance: ${named(elsewhere)}. An instance of createMessaging runs what is registered on it, and the classes in its option handlers`
  return new CorebusError('NO_HANDLERS', `there are no handlers: ${there}`)
}

/** As many of them as a line holds. */
function named(places: readonly string[]): string {
  const more = places.length > MOST_NAMED ? ` and ${places.length - MOST_NAMED} more` : ''
  return `${places.slice(0, MOST_NAMED).join(', ')}${more}`
}

function say(): void {
  registry.endWatch?.()
  // The command starts the default instance as soon as its entry is loaded, however long that takes.
  const entries = [...waiting.values()].filter(({ said, owner, hint }) => !said && !((owner === registry || hint) && isHosted()))
  if (entries.length === 0) return
  for (const entry of entries) entry.said = true
  const known = entries.find(({ logger }) => logger)?.logger
  const logger = known ?? createLogger({ level: levelIn(process.env), service: process.env.SERVICE_NAME ?? 'corebus' })
  const [handlers, others] = [entries.filter(({ hint }) => hint === undefined), entries.filter(({ hint }) => hint !== undefined)]
  if (others.length > 0)
    logger.warn(
      { registered: others.length },
      `nothing runs what is registered: ${named(others.map(({ where }) => where))}. ${others[0]?.hint}. It runs from the start, the first request or the first session of that instance on`,
    )
  if (handlers.length === 0) return
  logger.warn(
    { handlers: handlers.length },
    `handlers are registered and nothing has started them: ${named(handlers.map(({ where }) => where))}. Call start() of their instance, or run them with ${COMMAND} consumer; those that this process is not to run say autoStart: false`,
  )
}
