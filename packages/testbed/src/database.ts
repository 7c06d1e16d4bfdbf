import { spawnSync } from 'node:child_process'
import { chownSync, closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Broker } from './kind.ts'
import { type LifecycleOptions, lifecycle } from './lifecycle.ts'
import type { Owned } from './owned.ts'

const ANSWERS_WITHIN_MS = 60_000
const STOPS_WITHIN_MS = 30_000

/** A database server that was started here, for this caller alone. */
export interface Database extends Pick<Broker, 'url' | 'stop' | 'restart' | 'kill' | 'freeze' | 'thaw'> {
  readonly port: number
  /** The data and the log of the server. */
  readonly folder: string
  /** What the server's own client prints for these statements: a line a row. @throws what it says when a statement fails. */
  sql(statements: string): string
}

/** The user that a server runs as: database servers refuse to run as root. Undefined where we are not root, and run it as who we are. */
export interface RunAs {
  readonly uid: number
  readonly gid: number
}

export function userNamed(name: string): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = ['-u', '-g'].map((which) => Number(spawnSync('id', [which, name], { encoding: 'utf8' }).stdout))
  if (!uid || !gid) throw new Error(`a server is not run as root, and there is no user ${name}`)
  return { uid, gid }
}

export function giveFolder(folder: string, user: RunAs | undefined): void {
  if (user) chownSync(folder, user.uid, user.gid)
}

/** Runs a program to its end. @throws what it printed when it fails. */
export function ran(program: string, args: readonly string[], user?: RunAs, input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { ...user, encoding: 'utf8', input, cwd: '/' })
  if (error) throw error
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr.slice(-2_000) || stdout.slice(-2_000)}`)
  return stdout
}

export interface ServerOptions extends Pick<LifecycleOptions, 'stopBy' | 'wholeFamily'> {
  readonly owned: Owned
  readonly program: string
  readonly args: readonly string[]
  readonly folder: string
  readonly user: RunAs | undefined
  readonly answers: () => boolean | Promise<boolean>
}

/** Starts the server on its folder, and resolves when it answers. */
export function server({ owned, program, args, folder, user, answers, ...how }: ServerOptions): ReturnType<typeof lifecycle> {
  const logFile = join(folder, 'server.log')
  return lifecycle({
    ...how,
    owned,
    stopsWithinMs: STOPS_WITHIN_MS,
    async up() {
      const log = openSync(logFile, 'a')
      const child = owned.spawn(program, args, { ...user, cwd: folder, output: log })
      closeSync(log)
      if (child.pid === undefined) throw new Error(`${program} did not start`)
      const deadline = performance.now() + ANSWERS_WITHIN_MS
      while (!(await answers())) {
        if (child.exitCode !== null || performance.now() > deadline)
          throw new Error(`${program} did not come up: ${readFileSync(logFile, 'utf8').slice(-2_000)}`)
        await pause(50)
      }
      // The shell that waited for a word has become the server.
      owned.process(child.pid)
      owned.forget(-child.pid)
      return child.pid
    },
  })
}
