import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MeetingPlace, meetingPlace } from './broker.ts'
import { abortOnSignal } from './signals.ts'
import { stage } from './stage.ts'
import { tellStory } from './story.ts'
import { type Timeline, timeline } from './timeline.ts'
import { bootTwoApis, type TwoApis } from './two-apis.ts'

const FIRST_RETRY_MS = 500
const DEATH_NOTICED_MS = 1_000

/** The whole demo, from nothing to nothing. Returns the exit code: 0 only if every step of the story happened. */
export async function runDemo(): Promise<number> {
  const startedAt = performance.now()
  const signal = abortOnSignal()
  const folder = await mkdtemp(join(tmpdir(), 'corebus-demo-'))
  const putAway = (): void => rmSync(folder, { recursive: true, force: true })
  // For the ways out that run no `finally`.
  process.on('exit', putAway)
  const lines = timeline()
  let place: MeetingPlace | undefined
  try {
    place = await meetingPlace(process.env, folder, (what) => lines.tell('demo', 'says', what))
    signal.throwIfAborted()
    const firstRetryMs = FIRST_RETRY_MS
    const adminToken = randomUUID()
    const env = {
      ...place.env,
      // tsx keeps what it has compiled there.
      TMPDIR: folder,
      USERS_DB: join(folder, 'users.db'),
      ORDERS_DB: join(folder, 'orders.db'),
      ADMIN_TOKEN: adminToken,
      PAYMENT_RETRY_FIRST_MS: String(firstRetryMs),
    }
    const apis = await bootTwoApis({ env, onLine: lines.line, signal })
    await played(apis, lines, () => tellStory(stage(apis, { tell: lines.tell, adminToken, firstRetryMs })))
    lines.tell('demo', 'step', `all of it happened, in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s; nothing is left running`)
    return 0
  } catch (error) {
    // What was asked for by a signal is no failure of the story, but the story did not happen either.
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  } finally {
    await place?.end()
    await rm(folder, { recursive: true, force: true })
    process.off('exit', putAway)
  }
}

/** Plays on the running system, and stops it whatever happens. */
async function played(apis: TwoApis, { tell }: Timeline, play: () => Promise<void>): Promise<void> {
  let failed: readonly string[] = []
  try {
    await play()
  } catch (error) {
    // A process that died explains a request that failed, and Node tells of its end only once its pipes are read.
    await sleep(DEATH_NOTICED_MS, undefined, { signal: apis.signal }).catch(() => undefined)
    throw apis.signal.aborted ? apis.signal.reason : error
  } finally {
    tell('demo', 'stopped', 'SIGTERM to the two APIs and the two consumers: they finish what they have and end')
    failed = await apis.stop()
  }
  if (failed.length > 0) throw new Error(`these did not end with exit code 0: ${failed.join('; ')}`)
  tell('demo', 'stopped', 'all four ended with exit code 0')
}
