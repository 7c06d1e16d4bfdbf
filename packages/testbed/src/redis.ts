import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Certificate } from './certificates.ts'
import type { Broker, BrokerKind } from './kind.ts'
import { lifecycle } from './lifecycle.ts'
import { missing } from './missing.ts'
import { Owned } from './owned.ts'
import { freePort } from './port.ts'

const ANSWERS_WITHIN_MS = 20_000
const STOPS_WITHIN_MS = 20_000
const SLOTS = 16_384

export const redis: BrokerKind = {
  name: 'redis',
  variable: 'REDIS_URL',
  defaultUrl: 'redis://127.0.0.1:6379/0',
  install: 'apt-get install -y --no-install-recommends redis-server, or set REDIS_URL',
  answers,
  start: () => start(),
}

export interface RedisOptions {
  /** More lines for redis.conf; of two equal keys the last wins. */
  readonly config?: readonly string[]
  /** One more listener, with TLS. Clients without a certificate are let in unless `clients` is true. */
  readonly tls?: Certificate & { readonly ca: string; readonly clients?: boolean }
}

export interface Redis extends Broker {
  /** Where its data and its log are. */
  readonly folder: string
  /** Of the listener with TLS. */
  readonly tlsUrl?: string
  /** `redis-cli` with these arguments; what it printed. */
  cli(...args: readonly string[]): string
}

export interface RedisCluster {
  readonly nodes: readonly Redis[]
  readonly stop: () => Promise<void>
}

async function answers(url: string): Promise<boolean> {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 2_000 } })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.ping()
    return true
  } catch {
    return false
  } finally {
    client.destroy()
  }
}

/**
 * One server of its own: a free loopback port and a folder that is removed afterwards. What it confirms is on the disk (`appendfsync always`).
 * REDIS_HOME names the folder of another release's programs.
 * Undefined, with one line that says what to install, where there is none.
 * @throws under CI=true where there is none.
 */
export async function startRedis(options: RedisOptions = {}): Promise<Redis | undefined> {
  return (await start(options)) ?? missing(redis.name, redis.install)
}

async function start({ config = [], tls }: RedisOptions = {}): Promise<Redis | undefined> {
  const { REDIS_HOME: home } = process.env
  const program = (name: string) => (home ? join(home, name) : name)
  if (spawnSync(program('redis-server'), ['--version']).error) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'corebus-redis-'))
  const port = await freePort()
  const tlsPort = tls && (await freePort())
  const url = `redis://127.0.0.1:${port}/0`
  if (tls) for (const part of ['ca', 'cert', 'key'] as const) writeFileSync(join(folder, part), tls[part])
  writeFileSync(
    join(folder, 'redis.conf'),
    [
      'bind 127.0.0.1',
      `port ${port}`,
      `dir ${folder}`,
      'save ""',
      'appendonly yes',
      'appendfsync always',
      ...(tls
        ? [
            `tls-port ${tlsPort}`,
            `tls-cert-file ${join(folder, 'cert')}`,
            `tls-key-file ${join(folder, 'key')}`,
            `tls-ca-cert-file ${join(folder, 'ca')}`,
            `tls-auth-clients ${tls.clients ? 'yes' : 'no'}`,
          ]
        : []),
      ...config,
      '',
    ].join('\n'),
  )

  const owned = new Owned()
  owned.folder(folder)
  const life = await lifecycle({
    owned,
    stopsWithinMs: STOPS_WITHIN_MS,
    async up() {
      const log = openSync(join(folder, 'redis.log'), 'a')
      const server = owned.spawn(program('redis-server'), [join(folder, 'redis.conf')], { cwd: folder, output: log })
      closeSync(log)
      if (server.pid === undefined) throw new Error('redis-server did not start')
      const deadline = performance.now() + ANSWERS_WITHIN_MS
      while (!listensAsItShould()) {
        if (server.exitCode !== null || performance.now() > deadline)
          throw new Error(`redis-server did not come up: ${readFileSync(join(folder, 'redis.log'), 'utf8').slice(-2_000)}`)
        await pause(20)
      }
      // The shell that waited for a word has become the server.
      owned.process(server.pid)
      owned.forget(-server.pid)
      return server.pid
    },
  })
  function cli(...args: readonly string[]): string {
    const { stdout, stderr } = spawnSync(program('redis-cli'), ['-h', '127.0.0.1', '-p', String(port), ...args], { encoding: 'utf8' })
    return stdout + stderr
  }
  function listensAsItShould(): boolean {
    // A user may be needed for more than that.
    return /PONG|NOAUTH/.test(cli('PING'))
  }
  return {
    url,
    env: { MESSAGING_BROKER: 'redis', REDIS_URL: url },
    own: true,
    folder,
    ...(tls && { tlsUrl: `rediss://127.0.0.1:${tlsPort}/0` }),
    cli,
    ...life,
  }
}

/** Several servers that share the slots between them, without replicas. Resolves when all of them say that the cluster is whole. */
export async function startRedisCluster(count = 3, options: RedisOptions = {}): Promise<RedisCluster | undefined> {
  const nodes: Redis[] = []
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    for (let n = 0; n < count; n++) {
      const busPort = await freePort()
      const config = ['cluster-enabled yes', `cluster-port ${busPort}`, 'cluster-node-timeout 2000', ...(options.config ?? [])]
      const node = await startRedis({ ...options, config })
      if (!node) return undefined
      const [from, to] = [Math.ceil((SLOTS * n) / count), Math.ceil((SLOTS * (n + 1)) / count) - 1]
      said(node.cli('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to)), 'OK')
      const [first] = nodes
      if (first) said(node.cli('CLUSTER', 'MEET', '127.0.0.1', portOf(first), busPortOf(first)), 'OK')
      nodes.push(node)
    }
    const deadline = performance.now() + ANSWERS_WITHIN_MS
    while (!nodes.every((node) => isWhole(node, count))) {
      if (performance.now() > deadline) throw new Error(`the cluster is not whole: ${nodes[0]?.cli('CLUSTER', 'INFO')}`)
      await pause(50)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { nodes, stop }
}

function isWhole(node: Redis, count: number): boolean {
  const info = node.cli('CLUSTER', 'INFO')
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${count}`) && info.includes(`cluster_size:${count}`)
}

function said(answer: string, wanted: string): void {
  if (answer.trim() !== wanted) throw new Error(`redis-cli: ${answer}`)
}

const portOf = (node: Redis) => new URL(node.url).port

function busPortOf(node: Redis): string {
  return /^cluster-port (\d+)$/m.exec(readFileSync(join(node.folder, 'redis.conf'), 'utf8'))?.[1] ?? ''
}
