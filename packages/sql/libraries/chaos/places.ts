import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type Broker,
  broker,
  type ChaosProxy,
  chaosProxy,
  type Database,
  freePort,
  startKafka,
  startMariadb,
  startPostgres,
} from '@corebus/testbed'
import type { Orders } from './protocol.ts'
import { pause } from './protocol.ts'
import type { DatabaseName } from './tables.ts'

export type BrokerName = Orders['broker']

/** A database or a broker of this run alone, and what can happen to it. Processes reach it through a proxy, and whoever looks at what came out does not. */
export interface Place {
  readonly url: string
  readonly directUrl: string
  /** Options for the broker's client library. */
  readonly client?: Readonly<Record<string, unknown>>
  /** A member that has stood still for so long has lost what it had. */
  readonly givesUpAfterMs: number
  /** Ends every connection. */
  readonly cut?: () => Promise<void>
  /** Nothing passes for so long, and nothing is lost. A file is locked by somebody else meanwhile. */
  readonly freeze: (forMs: number) => Promise<void>
  /** kill -9 of the server, and starts it again on its data. */
  readonly kill?: () => Promise<void>
}

/** Something that places of several runs are made on. */
export interface Server {
  readonly place: () => Promise<Place>
  readonly close: () => Promise<void>
}

type Open = () => Promise<Server | undefined>

/** As long as a client of pg or mysql2 that stands still keeps its locks does not matter here: it keeps them. */
const NEVER_MS = 3_000
let made = 0

export const DATABASES: Readonly<Record<DatabaseName, Open>> = {
  sqlite: async () => files('app.db'),
  postgres: async () => withDatabases(await startPostgres({ config: ['deadlock_timeout = 100ms'] })),
  mariadb: async () => withDatabases(await startMariadb()),
}

export const BROKERS: Readonly<Record<BrokerName, Open>> = {
  sqlite: async () => files('messages.db'),
  redis: async () => ownBroker(await broker('redis', { own: true }), { givesUpAfterMs: 11_000 }),
  rabbitmq: async () => ownBroker(await broker('rabbitmq', { own: true }), { givesUpAfterMs: 2_000, query: '?heartbeat=2' }),
  kafka: ownKafka,
}

/** A file for each place. */
function files(name: string): Server {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-sql-chaos-'))
  return {
    async place() {
      const file = join(folder, `${++made}-${name}`)
      const db = new DatabaseSync(file)
      db.exec('PRAGMA journal_mode = WAL')
      db.close()
      return { url: file, directUrl: file, givesUpAfterMs: NEVER_MS, freeze: (forMs) => lock(file, forMs) }
    },
    close: async () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  }
}

/** Somebody else writes for so long. */
async function lock(file: string, forMs: number): Promise<void> {
  const db = new DatabaseSync(file, { timeout: 0 })
  try {
    const deadline = performance.now() + 10_000
    for (;;)
      try {
        db.exec('BEGIN IMMEDIATE')
        break
      } catch (error) {
        if (performance.now() > deadline) throw error
        await pause(1)
      }
    await pause(forMs)
    db.exec('ROLLBACK')
  } finally {
    db.close()
  }
}

async function withDatabases(server: Database | undefined): Promise<Server | undefined> {
  if (!server) return undefined
  const proxy = await chaosProxy({ port: server.port })
  return {
    async place() {
      const name = `chaos${++made}`
      server.sql(`CREATE DATABASE ${name};`)
      const direct = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
      return {
        url: proxy.through(direct),
        directUrl: direct,
        givesUpAfterMs: NEVER_MS,
        ...through(proxy, cutting(proxy)),
        kill: server.kill,
      }
    },
    async close() {
      await proxy.close()
      await server.stop()
    },
  }
}

async function ownBroker(
  running: Broker | undefined,
  { givesUpAfterMs, query = '' }: { readonly givesUpAfterMs: number; readonly query?: string },
): Promise<Server | undefined> {
  if (!running) return undefined
  const { port, hostname } = new URL(running.url)
  const proxy = await chaosProxy({ port: Number(port), host: hostname })
  const place: Place = {
    url: `${proxy.through(running.url)}${query}`,
    directUrl: `${running.url}${query}`,
    givesUpAfterMs,
    ...through(proxy, cuttingBroker(proxy)),
    kill: running.kill,
  }
  return {
    place: async () => place,
    async close() {
      await proxy.close()
      await running.stop()
    },
  }
}

const KAFKA_SESSION_MS = 2_500

/** It tells its clients the proxy's address. */
async function ownKafka(): Promise<Server | undefined> {
  const port = await freePort()
  const proxy = await chaosProxy({ port })
  const running = await startKafka({ behind: { port, advertisedPort: proxy.port } })
  if (!running) {
    await proxy.close()
    return undefined
  }
  const place: Place = {
    url: `127.0.0.1:${proxy.port}`,
    directUrl: running.url,
    client: { sessionTimeout: KAFKA_SESSION_MS },
    givesUpAfterMs: KAFKA_SESSION_MS,
    ...through(proxy, cuttingBroker(proxy)),
    kill: running.kill,
  }
  return {
    place: async () => place,
    async close() {
      await running.stop()
      await proxy.close()
    },
  }
}

/** So few, that a connection in use is cut in the middle of what it is saying. */
const BYTES_BEFORE_CUT = 300

const cutting = (proxy: ChaosProxy): readonly (() => void)[] => [() => proxy.cut(), () => proxy.cutAfter(BYTES_BEFORE_CUT)]
/** Clients of brokers find out by themselves that a connection has gone silent. Those of databases do not, unless their user says so. */
const cuttingBroker = (proxy: ChaosProxy): readonly (() => void)[] => [...cutting(proxy), () => proxy.vanish()]

function through(proxy: ChaosProxy, ways: readonly (() => void)[]): Pick<Place, 'freeze'> & Required<Pick<Place, 'cut'>> {
  let cuts = 0
  return {
    async cut() {
      ways[cuts++ % ways.length]?.()
    },
    async freeze(forMs) {
      proxy.freeze()
      await pause(forMs)
      proxy.thaw()
    },
  }
}
