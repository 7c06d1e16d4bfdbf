import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MeetingPlace, meetingPlace } from '../../two-apis/demo/broker.ts'
import { abortOnSignal } from '../../two-apis/demo/signals.ts'
import { type Timeline, timeline } from '../../two-apis/demo/timeline.ts'
import { SettingsError } from '../platform/src/settings/settings.ts'
import { type Choice, parseChoice } from './choice.ts'
import { serviceEnv, serviceSettings } from './service-env.ts'
import { type ServiceLogs, serviceLogs } from './service-logs.ts'
import { launchService, serviceNameOf } from './service-process.ts'
import { HELP, welcome } from './start-texts.ts'
import { type Supervised, supervise } from './supervise.ts'
import { PROCESSES, SERVICES, type ServiceName } from './system.ts'
import { isTaken } from './taken-ports.ts'
import { createTopics, TOPICS } from './topics.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const EXIT = { ended: 0, failed: 1, mistake: 2 } as const
/** How long a broker may need that is started at the same time, such as by `docker compose up -d`. */
const BROKER_LIMIT_MS = 90_000
const BROKER_EVERY_MS = 2_000
/** Lines on a terminal are cut there, or at its width if that is more. The files of logs have all of them. */
const COLUMNS = 140

/** What this run consists of. */
interface Plan {
  readonly choice: Choice
  readonly services: readonly ServiceName[]
  /** The environment, in which a relative folder of data means the same to every service. */
  readonly env: NodeJS.ProcessEnv
  readonly logs: string
}

/** An end before the start, said in one line. */
class CannotStart extends Error {
  readonly code: number
  constructor(message: string, code: number) {
    super(message)
    this.code = code
  }
}

/**
 * Runs the services and their consumers until a signal; one that dies is started again. Returns the exit code: 0 when all of them have ended well, 1 when
 * something has failed, 2 for a mistake in the command line or the settings.
 */
export async function startSystem(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const parsed = parseChoice(args, ['broker', 'write', 'read', 'only', 'first-port'])
  if (parsed.kind === 'help') {
    console.log(HELP)
    return EXIT.ended
  }
  if (parsed.kind === 'wrong') return refuse(`${parsed.why} (--help shows how)`, EXIT.mistake)
  const { choice, only } = parsed
  const data = env.ECOMMERCE_DATA ? resolve(env.ECOMMERCE_DATA) : undefined
  const services = only.length > 0 ? SERVICES.filter((service) => only.includes(service)) : SERVICES
  const logs = join(data ?? join(ROOT, '.core/ecommerce'), 'logs')
  try {
    await check({ choice, services, env, logs })
  } catch (error) {
    if (error instanceof CannotStart) return refuse(error.message, error.code)
    if (error instanceof SettingsError) return refuse(error.message, EXIT.mistake)
    throw error
  }
  return run({ choice, services, env: { ...env, ...(data && { ECOMMERCE_DATA: data }) }, logs })
}

function refuse(why: string, code: number): number {
  console.error(`start:ecommerce: ${why}`)
  return code
}

/** @throws SettingsError and CannotStart for what nobody needs to start a process to see. */
async function check({ choice, services, env }: Plan): Promise<void> {
  for (const service of services) {
    const { port, env: environment } = serviceSettings(service, choice, env)
    if (await isTaken(port, environment === 'production' ? '0.0.0.0' : '127.0.0.1'))
      throw new CannotStart(
        `port ${port} of ${service} is taken: end what listens there (lsof -i :${port}), or choose other ports by --first-port 9081`,
        EXIT.failed,
      )
  }
}

async function run({ choice, services, env, logs }: Plan): Promise<number> {
  const asked = abortOnSignal()
  const lines = timeline({ nameColumns: 15, columns: Math.max(COLUMNS, process.stdout.columns ?? Number.POSITIVE_INFINITY) })
  const { tell } = lines
  let files: ServiceLogs | undefined
  let place: MeetingPlace | undefined
  let system: Supervised | undefined
  let code: number = EXIT.ended
  try {
    files = serviceLogs(logs, services, lines)
    const first = serviceSettings(services[0] ?? SERVICES[0], choice, env)
    place = await meetingPlace(first.messagingEnv, ROOT, (what) => tell('start', 'says', what))
    await topicsOn({ ...first.messagingEnv, ...place.env }, tell, asked)
    const there = place.env
    system = supervise({
      names: PROCESSES.filter((name) => services.includes(serviceNameOf(name) as ServiceName)), // as PROCESSES are called
      launch: (name, onLine) => {
        const service = serviceNameOf(name) as ServiceName // as PROCESSES are called
        const own: NodeJS.ProcessEnv = { LOG_LEVEL: 'debug', ...serviceEnv(service, choice, env), ...there }
        return launchService(name, { env: own, port: Number(own.PORT), onLine })
      },
      onLine: files.line,
      onChange: (name, what) => tell(serviceNameOf(name), what.startsWith('works') ? 'started' : 'warning', `${name} ${what}`),
      signal: asked,
    })
    await system.up()
    console.log(
      welcome(
        services.map((service) => [service, serviceSettings(service, choice, env).port]),
        logs,
      ),
    )
    if (!asked.aborted) await once(asked, 'abort')
  } catch (error) {
    if (!asked.aborted) {
      code = EXIT.failed
      console.error(`start:ecommerce: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (asked.aborted) tell('start', 'stopped', 'they finish what they have and end; once more to end them at once')
  const failed = (await system?.stop()) ?? []
  await place?.end()
  await files?.close()
  for (const who of failed) tell('start', 'warning', `did not end with exit code 0: ${who}`)
  if (code === EXIT.ended && failed.length === 0) tell('start', 'stopped', 'all of them have ended with exit code 0')
  return failed.length > 0 ? EXIT.failed : code
}

/** Makes the topics, and waits for a broker that is still starting. @throws Error with what the broker's driver says at last. */
async function topicsOn(env: NodeJS.ProcessEnv, tell: Timeline['tell'], asked: AbortSignal): Promise<void> {
  const until = performance.now() + BROKER_LIMIT_MS
  for (let tries = 1; ; tries++) {
    asked.throwIfAborted()
    const { code, errors } = await createTopics({ ...env, LOG_LEVEL: 'fatal' })
    if (code === 0) break
    // The lines before it say which broker it is, and that it is awaited.
    const why = errors
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^error: /, '')
    if (code === EXIT.mistake || performance.now() > until) throw new Error(`the topics could not be made: ${why}`)
    if (tries === 1) tell('start', 'warning', `waits for the broker, ${BROKER_LIMIT_MS / 1_000} s at most: ${why}`)
    await sleep(BROKER_EVERY_MS, undefined, { signal: asked })
  }
  tell('start', 'says', `${TOPICS.length} topics are there`)
}
