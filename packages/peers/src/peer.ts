import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ended, Owned, signal } from '@corebus/testbed'

const SAYS_WITHIN_MS = 30_000
const STOPS_WITHIN_MS = 20_000

export interface PeerOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Puts what the process needs into a folder of its own, in which it runs then, and which goes with it. */
  readonly furnish?: (folder: string) => void
}

/** A process of somebody else's, which tells in lines what it does. It does not outlive the process that started it. */
export interface Peer {
  readonly pid: number
  /** All that it said until now, errors too. */
  said(): string
  /** Resolves with the first line that has this in it, and rejects with all lines when the process ends before, or says it nowhere in time. */
  line(text: string): Promise<string>
  /** How often a line has this in it. */
  count(text: string): number
  running(): boolean
  stop(by?: NodeJS.Signals): Promise<void>
}

export function startPeer(command: string, args: readonly string[], { cwd, env = {}, furnish }: PeerOptions = {}): Peer {
  const owned = new Owned()
  const folder = mkdtempSync(join(tmpdir(), 'corebus-peer-'))
  owned.folder(folder)
  const path = join(folder, 'output')
  const output = openSync(path, 'a')
  furnish?.(folder)
  const where = furnish ? folder : cwd
  const child = owned.spawn(command, args, { ...(where !== undefined && { cwd: where }), env: { ...process.env, ...env }, output })
  closeSync(output)
  const peer = speech(child, path, `${command} ${args.join(' ')}`)
  const stopped = async (by?: NodeJS.Signals) => {
    await stop(child, by)
    peer.said() // its lines outlive their folder
    await owned.end()
  }
  return { pid: child.pid ?? 0, ...peer, stop: stopped }
}

function speech(child: ChildProcess, path: string, name: string): Pick<Peer, 'said' | 'line' | 'count' | 'running'> {
  let last = ''
  const said = () => {
    if (existsSync(path)) last = readFileSync(path, 'utf8')
    return last
  }
  const running = () => child.exitCode === null && child.signalCode === null
  const lines = (text: string) =>
    said()
      .split('\n')
      .filter((line) => line.includes(text))
  async function line(text: string): Promise<string> {
    const deadline = performance.now() + SAYS_WITHIN_MS
    for (;;) {
      const over = !running()
      const [found] = lines(text)
      if (found !== undefined) return found
      if (over) throw new Error(`${name} ended before it said "${text}":\n${said()}`)
      if (performance.now() > deadline) throw new Error(`${name} did not say "${text}":\n${said()}`)
      await pause(30)
    }
  }
  return { said, line, count: (text) => lines(text).length, running }
}

/** In good order first, since a framework that is stopped acknowledges what it holds. */
async function stop({ pid }: ChildProcess, by: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (pid === undefined) return
  signal(pid, by)
  await ended(pid, STOPS_WITHIN_MS).catch(() => {}) // what does not stop is killed afterwards
}
