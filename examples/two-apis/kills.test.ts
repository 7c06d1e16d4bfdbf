import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { killsOf } from './kills/run.ts'

/** The same plan each time. `npm run soak -- kills` has others, and longer ones. */
const SEED = 11
const KILLS = 50

it('every order, counter and address is right after processes were killed fifty times', async () => {
  // It stays where it is when something goes wrong.
  const folder = await mkdtemp(join(tmpdir(), 'two-apis-kills-'))
  console.log(`kills: seed ${SEED}, in ${folder}`)
  const env = { MESSAGING_BROKER: 'sqlite', SQLITE_PATH: join(folder, 'messages.db') }
  const { wrong, summary } = await killsOf({ seed: SEED, kills: KILLS, env, folder })
  console.log(summary)
  expect(wrong, `seed ${SEED}: what happened is in ${folder}`).toEqual([])
  await rm(folder, { recursive: true, force: true })
}, 600_000)
