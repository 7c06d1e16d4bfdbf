import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Health } from '../../consumer/health.ts'
import { asError } from '../../errors.ts'
import { packageRoot } from '../../process/version.ts'
import { isSaid, type Said, type Told } from './ipc.ts'

export interface WorkerOptions {
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly onSaid: (said: Said) => void
  readonly onEnd: (how: string, exitCode: number | null) => void
}

/** A forked consumer process and what is known of it. */
export class Worker {
  readonly startedAt: number = performance.now()
  readonly #child: ChildProcess
  #health: { readonly health: Health; readonly at: number } | undefined
  #failure: Extract<Said, { kind: 'failed' }> | undefined
  #started = false
  #ended = false

  constructor({ args, env, onSaid, onEnd }: WorkerOptions) {
    this.#child = fork(join(packageRoot, 'bin', 'core.js'), args, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const end = (how: string, exitCode: number | null): void => {
      if (this.#ended) return
      this.#ended = true
      onEnd(how, exitCode)
    }
    this.#child.on('message', (message) => {
      if (!isSaid(message)) return
      this.#hear(message)
      onSaid(message)
    })
    this.#child.on('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `killed by ${signal}`, code))
    // It could not be forked; of one that runs, 'exit' follows.
    this.#child.on('error', (error) => this.#child.pid === undefined && end(`not started: ${asError(error).message}`, null))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** It has come as far as handling messages. */
  get started(): boolean {
    return this.#started
  }

  /** What it said went wrong. */
  get failure(): Extract<Said, { kind: 'failed' }> | undefined {
    return this.#failure
  }

  get health(): { readonly health: Health; readonly at: number } | undefined {
    return this.#health
  }

  /** By the channel: a signal does not exist on every system, and Ctrl-C may have sent one already. */
  stop(): void {
    const told: Told = { kind: 'stop' }
    if (this.#child.connected)
      this.#child.send(told, () => undefined) // gone in between: 'exit' follows
    else this.#child.kill('SIGTERM')
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #hear(said: Said): void {
    if (said.kind === 'health') this.#health = { health: said.health, at: performance.now() }
    if (said.kind === 'started') this.#started = true
    if (said.kind === 'failed') this.#failure ??= said
  }
}
