import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MeetingPlace, meetingPlace } from '../../two-apis/demo/broker.ts'
import { abortOnSignal } from '../../two-apis/demo/signals.ts'
import { timeline } from '../../two-apis/demo/timeline.ts'
import { tellStory } from './story.ts'
import { bootSystem, type System } from './system.ts'

/** Long enough for the other steps on a busy machine, and short enough to be waited for. */
const EXPIRES_AFTER_MS = 6_000

/** The whole demo, from nothing to nothing. Returns the exit code: 0 only if every step of the story happened. */
export async function runDemo(): Promise<number> {
  const startedAt = performance.now()
  const signal = abortOnSignal()
  const folder = await mkdtemp(join(tmpdir(), 'corebus-ecommerce-'))
  const putAway = (): void => rmSync(folder, { recursive: true, force: true })
  // This listener is for the ways out that run no `finally`.
  process.on('exit', putAway)
  const { tell, line } = timeline({ nameColumns: 15, columns: 140 })
  let place: MeetingPlace | undefined
  let system: System | undefined
  try {
    place = await meetingPlace(process.env, folder, (what) => tell('demo', 'says', what))
    const env = { ...place.env, TMPDIR: folder, ECOMMERCE_DATA: folder, ORDER_EXPIRES_AFTER: `${EXPIRES_AFTER_MS}ms` }
    system = await bootSystem({ env, onLine: line, signal })
    await tellStory({ system, tell, expiresAfterMs: EXPIRES_AFTER_MS })
    tell('demo', 'stopped', 'SIGTERM to all of them: they finish what they have and end')
    const failed = await system.stop()
    if (failed.length > 0) throw new Error(`these did not end with exit code 0: ${failed.join('; ')}`)
    tell('demo', 'step', `all of it happened, in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s; nothing is left running`)
    return 0
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  } finally {
    await system?.stop()
    await place?.end()
    putAway()
    process.off('exit', putAway)
  }
}
