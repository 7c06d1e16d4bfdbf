import { randomOf } from '@corebus/core/testing/conformance/process'
import { migrate, sqlInbox, sqlOutbox } from '@corebus/sql'
import { Company } from './company.ts'
import { deckOf, Faults, shuffled } from './faults.ts'
import type { ChaosOptions, Effect, History } from './history.ts'
import { instance } from './instance.ts'
import { LIBRARIES, type Library } from './library.ts'
import { loaded, type Mutation } from './mutation.ts'
import type { BrokerName, Place } from './places.ts'
import { ON_A_FILE } from './plan.ts'
import { type Orders, pause, type Role } from './protocol.ts'
import { type DatabaseName, keysOf, TABLES } from './tables.ts'

export interface Ground {
  readonly databaseName: DatabaseName
  readonly brokerName: BrokerName
  readonly database: Place
  readonly broker: Place
}

const PRODUCERS = 2
const RELAYS = 2
const CONSUMERS = 3
const BREATHER_MS = 100
const MOST_BREATHER_MS = 400
/** Everything is there and nothing has happened for so long: nothing more comes. */
const CALM_MS = 1_500
const ORDERED: Readonly<Record<BrokerName, boolean>> = { sqlite: true, kafka: true, redis: false, rabbitmq: false }

/** Two producers, two relays and three consumers work while things go wrong; then calm, until nothing is left to do. */
export async function chaos(
  ground: Ground,
  options: ChaosOptions,
  mutation?: Pick<Mutation, 'name' | 'role' | 'changes'>,
): Promise<History> {
  const { databaseName, brokerName, database, broker } = ground
  const { seed, forMs, leastCommitted, hopelessMs, moments } = options
  const mix = { ...options.mix, ...(databaseName === 'sqlite' && ON_A_FILE) }
  const topic = `moves-${Date.now().toString(36)}`
  const common: Omit<Orders, 'name' | 'seed' | 'brokerUrl'> = {
    database: databaseName,
    databaseUrl: database.url,
    broker: brokerName,
    ...(broker.client && { client: broker.client }),
    topic,
    ordered: ORDERED[brokerName],
    mix,
  }
  const urlFor = (role: Role) => (role === 'recorder' ? broker.directUrl : broker.url)
  let born = 0
  const company = new Company({
    orders: (name, role) => ({ ...common, name, brokerUrl: urlFor(role), seed: seed * 10_000 + born++ }),
    changes: mutation ? loaded(mutation, databaseName) : [],
    changed: mutation?.role,
  })
  const library = LIBRARIES[databaseName](database.directUrl)
  try {
    await prepare(library, mix.keys)
    // Whoever reads comes first: what is published before there is a group lies elsewhere. The recorder's messages wait until the end.
    await company.hire('recorder', 1)
    await company.close('recorder')
    await company.hire('consumer', CONSUMERS)
    await company.hire('relay', RELAYS)
    await company.hire('producer', PRODUCERS)
    await company.until('the first is handled', () => company.handled > 0)

    const random = randomOf(seed)
    const below = (n: number) => Math.floor(random() * n)
    const faults = new Faults({ company, database, broker, moments, below })
    const kinds = deckOf(options.deck, database, broker)
    const end = performance.now() + forMs
    let dealt = shuffled(kinds, below)
    while (performance.now() < end || faults.done.length < kinds.length || company.committed < leastCommitted) {
      const before = company.handled
      await pause(BREATHER_MS + below(MOST_BREATHER_MS))
      // A fault proves nothing while nothing goes on.
      await company.until('one more is handled', () => company.handled > before)
      const kind = dealt.pop()
      if (kind) await faults.cause(kind)
      if (dealt.length === 0) dealt = shuffled(kinds, below)
    }
    await faults.over()

    await company.close('producer')
    const driver = await instance({ ...common, name: 'end', seed, brokerUrl: broker.directUrl }, 'end')
    const { admin } = await driver.driver()
    const isEmpty = async (group: string) => (await admin.depth(topic, group)).ready === 0
    await calm(company, hopelessMs, async () => (await isComplete(library)) && (await isEmpty('effects')))
    for (const role of ['relay', 'consumer'] as const) await company.close(role)
    // Nobody has read what waits for it, so it comes in the order in which it was published, whatever happened since.
    await company.hire('recorder', 1)
    await calm(company, hopelessMs, () => isEmpty('recorder'))
    await company.close('recorder')
    const { letters } = await admin.deadLetters({ topic })
    await driver.close()
    const found = await read(library)
    return { lives: company.lives(), faults: faults.done, ordered: ORDERED[brokerName], ...found, dead: found.dead + letters.length }
  } finally {
    await company.leave()
    await library.close().catch(() => undefined) // of no use any more
  }
}

async function prepare({ sessions }: Library, keys: number): Promise<void> {
  await migrate(sessions, [sqlOutbox(), sqlInbox()])
  await sessions.database.transaction(async (tx) => {
    for (const statement of TABLES) await tx.query(statement)
    for (const table of ['accounts', 'views'])
      for (const key of keysOf(keys)) await tx.query(`INSERT INTO ${table} (k, n) VALUES (?, 0)`, [key])
  })
}

async function counted({ sessions }: Library, what: string): Promise<number> {
  const { rows } = await sessions.database.read((tx) => tx.query(`SELECT count(*) AS many FROM ${what}`))
  return Number(rows[0]?.many)
}

async function isComplete(library: Library): Promise<boolean> {
  if ((await counted(library, 'outbox')) > 0) return false
  return (await counted(library, 'movements WHERE token NOT IN (SELECT token FROM effects)')) === 0
}

async function read(library: Library): Promise<Pick<History, 'movements' | 'effects' | 'left' | 'dead'>> {
  const rowsOf = async (statement: string) => (await library.sessions.database.read((tx) => tx.query(statement))).rows
  const movements = await rowsOf('SELECT token, k, n FROM movements')
  const effects = await rowsOf('SELECT token, k, n, seq FROM effects')
  const move = ({ token, k, n }: { token?: unknown; k?: unknown; n?: unknown }) => ({ token: String(token), key: String(k), n: Number(n) })
  return {
    movements: movements.map(move),
    effects: effects.map((row): Effect => ({ ...move(row), seq: Number(row.seq) })),
    left: await counted(library, 'outbox'),
    dead: await counted(library, 'outbox_dead'),
  }
}

/** Everything has come to its end and nothing has happened for a while; or nothing has happened for so long that nothing will. */
async function calm(company: Company, hopelessMs: number, isComplete: () => Promise<boolean>): Promise<void> {
  let heard = 0
  let since = performance.now()
  for (;;) {
    await pause(250)
    if (company.said !== heard) since = performance.now()
    heard = company.said
    const quietMs = performance.now() - since
    if (quietMs > hopelessMs || (quietMs > CALM_MS && (await isComplete()))) return
  }
}
