import { spawnSync } from 'node:child_process'
import type { Broker } from './kind.ts'
import { ended, type Owned, signal } from './owned.ts'

export interface LifecycleOptions {
  readonly owned: Owned
  /** Starts it on its data and resolves with its process when it answers. */
  readonly up: () => Promise<number>
  readonly stopsWithinMs: number
  /** What asks it to stop as an operator would. Default SIGTERM. */
  readonly stopBy?: NodeJS.Signals
  /** It serves each client from a process of its own: they are killed, frozen and thawed with it. */
  readonly wholeFamily?: boolean
}

export interface Lifecycle extends Pick<Broker, 'stop' | 'restart' | 'kill' | 'freeze' | 'thaw'> {
  /** The two halves of `restart` and `kill`: gone, and there again. */
  down(by: 'SIGTERM' | 'SIGKILL'): Promise<void>
  up(): Promise<void>
}

/** What can be done to a broker that was started here. Resolves when it is up for the first time; whatever was started is ended when it does not come up. */
export async function lifecycle({ owned, up, stopsWithinMs, stopBy = 'SIGTERM', wholeFamily }: LifecycleOptions): Promise<Lifecycle> {
  let pid = 0
  const family = (): readonly number[] => (pid === 0 ? [] : wholeFamily ? [pid, ...childrenOf(pid)] : [pid])
  async function start(): Promise<void> {
    pid = await up()
  }
  async function down(by: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const all = family()
    if (by === 'SIGKILL') for (const one of all) signal(one, by)
    else if (pid !== 0) signal(pid, stopBy)
    for (const one of all) await ended(one, stopsWithinMs)
    owned.forget(pid)
    pid = 0
  }
  async function thaw(): Promise<void> {
    for (const one of family()) signal(one, 'SIGCONT')
  }
  async function again(by: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await down(by)
    await start()
  }
  try {
    await start()
  } catch (error) {
    await owned.end()
    throw error
  }
  return {
    down,
    up: start,
    async stop() {
      // Killed, it would leave its shared memory, and children that find out later.
      if (wholeFamily) {
        await thaw()
        await down('SIGTERM')
      }
      await owned.end()
    },
    restart: () => again('SIGTERM'),
    kill: () => again('SIGKILL'),
    async freeze() {
      for (const one of family()) signal(one, 'SIGSTOP')
    },
    thaw,
  }
}

function childrenOf(pid: number): readonly number[] {
  const { error, stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
  if (error) throw error
  return stdout.split('\n').filter(Boolean).map(Number)
}
