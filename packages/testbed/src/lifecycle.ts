import type { Broker } from './kind.ts'
import { ended, type Owned, signal } from './owned.ts'

export interface LifecycleOptions {
  readonly owned: Owned
  /** Starts it on its data and resolves with its process when it answers. */
  readonly up: () => Promise<number>
  readonly stopsWithinMs: number
}

export interface Lifecycle extends Pick<Broker, 'stop' | 'restart' | 'kill' | 'freeze' | 'thaw'> {
  /** The two halves of `restart` and `kill`: gone, and there again. */
  down(by: 'SIGTERM' | 'SIGKILL'): Promise<void>
  up(): Promise<void>
}

/** What can be done to a broker that was started here. Resolves when it is up for the first time; whatever was started is ended when it does not come up. */
export async function lifecycle({ owned, up, stopsWithinMs }: LifecycleOptions): Promise<Lifecycle> {
  let pid = 0
  async function start(): Promise<void> {
    pid = await up()
  }
  async function down(by: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    signal(pid, by)
    await ended(pid, stopsWithinMs)
    owned.forget(pid)
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
    stop: () => owned.end(),
    restart: () => again('SIGTERM'),
    kill: () => again('SIGKILL'),
    async freeze() {
      signal(pid, 'SIGSTOP')
    },
    async thaw() {
      signal(pid, 'SIGCONT')
    },
  }
}
