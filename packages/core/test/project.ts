import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'

const CORE = resolve(import.meta.dirname, '..')
const MODULES = resolve(CORE, '..', '..', 'node_modules')
const BIN = join(CORE, 'bin', 'core.js')
const LONGEST_MS = 20_000

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** For stdin. */
  readonly input?: string | Uint8Array
  /** Instead of the Node that runs the tests. */
  readonly node?: string
  /** Default: the project's folder. */
  readonly cwd?: string
  readonly uid?: number
}

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A user's project in a folder of its own, outside of the repository. It is removed, and what runs in it killed, when the test is over. */
export interface Project {
  readonly folder: string
  write(files: Readonly<Record<string, string>>): void
  /** `core ...args` to its end. */
  core(args: readonly string[], options?: RunOptions): Promise<Result>
  /** `core ...args` that goes on. */
  start(args: readonly string[], options?: RunOptions): Running
  /** `node ...args` to its end. */
  node(args: readonly string[], options?: RunOptions): Promise<Result>
  /** `node ...args` that goes on. */
  run(args: readonly string[], options?: RunOptions): Running
}

export interface ProjectOptions {
  /** With our files copied instead of linked: then nothing is found that this repository has installed. */
  readonly copied?: boolean
  readonly tsx?: boolean
  /** Packages of this repository beside the core, by the name of their folder. */
  readonly packages?: readonly string[]
  /** Variables of all its processes. */
  readonly env?: Readonly<Record<string, string>>
}

export function makeProject(
  files: Readonly<Record<string, string>>,
  { copied = false, tsx = true, packages = [], env: shared = {} }: ProjectOptions = {},
): Project {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-cli-'))
  const running = new Set<Running>()
  onTestFinished(async () => {
    for (const one of running) one.signal('SIGKILL')
    await Promise.all([...running].map((one) => one.end))
    rmSync(folder, { recursive: true, force: true })
  })
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@corebus'), { recursive: true })
  const core = join(modules, '@corebus', 'core')
  if (copied) {
    for (const part of ['dist', 'bin', 'lazy', 'package.json']) cpSync(join(CORE, part), join(core, part), { recursive: true })
    for (const name of ['commander', 'pino', 'pino-pretty', 'reflect-metadata']) symlinkSync(join(MODULES, name), join(modules, name))
  } else symlinkSync(CORE, core)
  for (const name of packages) symlinkSync(resolve(CORE, '..', name), join(modules, '@corebus', name))
  for (const name of ['zod', ...(tsx ? ['tsx'] : [])]) symlinkSync(join(MODULES, name), join(modules, name))

  const write = (more: Readonly<Record<string, string>>): void => {
    for (const [file, text] of Object.entries(more)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), text)
    }
  }
  const begin = (args: readonly string[], { env = {}, input, node = process.execPath, cwd = folder, uid }: RunOptions = {}): Running => {
    const child = spawn(node, args, {
      cwd,
      // Nothing of who runs the tests: it may name a broker.
      env: { PATH: process.env.PATH, HOME: folder, ...shared, ...env },
      ...(uid !== undefined && { uid, gid: uid }),
    })
    child.stdin.on('error', () => undefined) // it may end without having read
    child.stdin.end(input)
    const one = new Running(child)
    running.add(one)
    void one.end.then(() => running.delete(one)) // never rejects
    return one
  }

  write({ 'package.json': JSON.stringify({ name: 'shop', type: 'module' }), ...files })
  const bin = copied ? join(core, 'bin', 'core.js') : BIN
  return {
    folder,
    write,
    start: (args, options) => begin([bin, ...args], options),
    core: (args, options) => begin([bin, ...args], options).result(),
    node: (args, options) => begin(args, options).result(),
    run: begin,
  }
}

/** A process that goes on until it is stopped. */
export class Running {
  readonly #child: ChildProcess
  readonly end: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (data: Buffer) => {
      this.stdout += data
    })
    child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data
    })
    this.end = once(child, 'close').then(([code]) => code as number | null)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get output(): string {
    return this.stdout + this.stderr
  }

  /** The log lines so far: whole ones, since what has come may end in the middle of one. */
  get lines(): readonly Readonly<Record<string, unknown>>[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** The first match in all it has written. @throws when it ends, or says nothing of the kind for too long. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const giveUp = AbortSignal.timeout(LONGEST_MS)
    for (;;) {
      const found = pattern.exec(this.output)
      if (found) return found
      if (this.#child.exitCode !== null || this.#child.signalCode !== null || giveUp.aborted)
        throw new Error(`${pattern} was not said, but:\n${this.output}`)
      const { stdout, stderr } = this.#child
      const any = new AbortController()
      const signal = AbortSignal.any([giveUp, any.signal])
      const events = [
        stdout && once(stdout, 'data', { signal }),
        stderr && once(stderr, 'data', { signal }),
        once(this.#child, 'close', { signal }),
      ]
      await Promise.race(events).catch(() => undefined) // given up: thrown above
      any.abort()
      await Promise.allSettled(events)
    }
  }

  async result(): Promise<Result> {
    return { code: await this.end, stdout: this.stdout, stderr: this.stderr }
  }

  /** Sends the signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Result> {
    this.signal(signal)
    return this.result()
  }
}

/** The processes below this one. Linux only. */
export function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/** A zombie is none: in a container nobody may come for it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !existsSync('/proc/self/stat') || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false // no such process
  }
}
