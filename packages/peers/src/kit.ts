import { spawnSync } from 'node:child_process'
import { copyFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createMessaging, type HandlerContext, type Messaging } from '@corebus/core'
import type { BrokerName } from '@corebus/testbed'
import { expect, inject } from 'vitest'
import { type Peer, type PeerOptions, startPeer } from './peer.ts'

const ROOT = join(import.meta.dirname, '..')
const WITHIN_MS = 30_000

/** Settles once `value` is as expected. Everything here happens in another process, in its own time. */
export const eventually = (value: () => unknown): ReturnType<typeof expect.poll> => expect.poll(value, { timeout: WITHIN_MS, interval: 30 })

/** A service as its author writes one, silent. `url` of a broker that is not here is empty, and its tests are skipped. */
export function service(broker: BrokerName, name = 'billing', options: object = {}): Messaging {
  process.env.LOG_LEVEL ??= 'silent'
  return createMessaging({ broker, url: inject('brokers')[broker] ?? '', service: name, env: { LOG_LEVEL: 'silent' }, ...options })
}

export interface Handled {
  readonly message: unknown
  readonly context: HandlerContext
}

/** A handler that writes down what it got. */
export function recorder() {
  const handled: Handled[] = []
  const handler = (message: unknown, context: HandlerContext) => void handled.push({ message, context })
  return { handled, handler, messages: () => handled.map(({ message }) => message) }
}

/** `python/<name>.py`, or a module of another name with arguments: `python -m celery -A shop worker`. */
export function python(args: readonly string[], options: PeerOptions = {}): Peer {
  const env = { PYTHONPATH: join(ROOT, 'python'), PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1', ...options.env }
  return startPeer(inject('installed').python ?? '', args, { cwd: join(ROOT, 'python'), ...options, env })
}

export function watermill(args: readonly string[], options: PeerOptions = {}): Peer {
  return startPeer(inject('installed').watermill ?? '', args, options)
}

/** `node/<name>.ts`, beside its packages, which the repository's own `node_modules` does not have. */
export function nodePeer(name: string, args: readonly string[] = [], options: PeerOptions = {}): Peer {
  const source = join(ROOT, 'node')
  function furnish(folder: string): void {
    for (const file of ['package.json', 'tsconfig.json', `${name}.ts`]) copyFileSync(join(source, file), join(folder, file))
    symlinkSync(inject('installed').node ?? '', join(folder, 'node_modules'))
  }
  return startPeer(process.execPath, ['--import', import.meta.resolve('tsx'), `./${name}.ts`, ...args], { ...options, furnish })
}

/** One command of a bare client, with what goes into it; what it printed. */
export function command(name: string, args: readonly string[], input: string | Buffer = ''): string {
  const { stdout, stderr, status, error } = spawnSync(name, args, { input, encoding: 'utf8' })
  if (error || status !== 0) throw new Error(`${name} ${args.join(' ')}: ${error ?? stderr}`)
  return stdout
}
