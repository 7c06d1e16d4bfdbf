import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChaosOptions, History } from './history.ts'
import { described, judge, type Ledger } from './ledger.ts'
import { MUTATIONS, type Mutation } from './mutation.ts'
import { BROKERS, type BrokerName, DATABASES, type Server } from './places.ts'
import { PLENTY } from './plan.ts'
import { chaos } from './run.ts'
import type { DatabaseName } from './tables.ts'

export interface Line {
  readonly text: string
  readonly failed: boolean
}

export interface SoakOptions {
  readonly seeds: readonly number[]
  /** Pieces of what a run is called, such as "postgres + rabbitmq", or "minute" for those without a mutation. Default: all of them. */
  readonly only?: readonly string[]
  readonly onLine: (line: Line) => void
}

/** Fewer would prove nothing. */
const LEAST_COMMITTED = 100
/** Where each safeguard is taken out: each database, and each broker. */
const MUTATED_ON: readonly (readonly [DatabaseName, BrokerName])[] = [
  ['sqlite', 'sqlite'],
  ['postgres', 'rabbitmq'],
  ['mariadb', 'kafka'],
  ['postgres', 'redis'],
]

/** Servers, started when they are first asked for. */
export class Servers {
  readonly #opened = new Map<string, Promise<Server | undefined>>()

  /** Undefined where one of them cannot be had here. */
  async ground(databaseName: DatabaseName, brokerName: BrokerName): Promise<Parameters<typeof chaos>[0] | undefined> {
    const database = await this.#server(`database ${databaseName}`, DATABASES[databaseName])
    const broker = await this.#server(`broker ${brokerName}`, BROKERS[brokerName])
    if (!database || !broker) return undefined
    return { databaseName, brokerName, database: await database.place(), broker: await broker.place() }
  }

  async close(): Promise<void> {
    for (const server of this.#opened.values()) await (await server)?.close()
    this.#opened.clear()
  }

  #server(name: string, open: () => Promise<Server | undefined>): Promise<Server | undefined> {
    const opened = this.#opened.get(name) ?? open()
    this.#opened.set(name, opened)
    return opened
  }
}

export interface Ran {
  readonly ledger: Ledger
  readonly seconds: number
  /** Where all that was said is kept when something was found. */
  readonly kept: string | undefined
}

export interface RunOptions {
  readonly servers: Servers
  readonly database: DatabaseName
  readonly broker: BrokerName
  readonly options: Partial<ChaosOptions> & Pick<ChaosOptions, 'seed'>
  readonly mutation?: Mutation
}

/** Undefined where the database or the broker cannot be had here. @throws Error when the run breaks down */
export async function ran({ servers, database, broker, options, mutation }: RunOptions): Promise<Ran | undefined> {
  const ground = await servers.ground(database, broker)
  if (!ground) return undefined
  const startedAt = performance.now()
  const history = await chaos(ground, { ...PLENTY, ...options }, mutation)
  const ledger = judge(history)
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  return { ledger, seconds, kept: ledger.findings.length > 0 && !mutation ? keep(history) : undefined }
}

function keep(history: History): string {
  const file = join(mkdtempSync(join(tmpdir(), 'corebus-sql-chaos-history-')), 'history.json')
  writeFileSync(file, JSON.stringify(history))
  return file
}

/** Why a run is no proof that all is well; undefined when it is. */
export function whyBad({ ledger, kept }: Pick<Ran, 'ledger' | 'kept'>): string | undefined {
  if (ledger.committed < LEAST_COMMITTED) return `too little happened: ${described(ledger)}`
  return ledger.findings.length > 0 ? `${described(ledger)}\n  everything that was said: ${kept}` : undefined
}

/** Why a run without a safeguard does not prove that it is missed; undefined when it does. */
export function whyUnproved({ ledger }: Pick<Ran, 'ledger'>, { shows }: Mutation): string | undefined {
  if (ledger.findings.some(({ kind }) => shows.includes(kind))) return undefined
  return `nothing of what it should show (${shows.join(', ')}), so the ledger proves nothing: ${described(ledger)}`
}

/** A minute on each database with each broker, and every mutation with each seed: with the safeguard in place all must be well, and without it not. */
export async function sqlChaos({ seeds, only, onLine }: SoakOptions): Promise<readonly Line[]> {
  const servers = new Servers()
  const lines: Line[] = []
  const wanted = (what: string) => only === undefined || only.some((piece) => what.includes(piece))
  const tell = async (what: string, run: () => Promise<Line>) => {
    if (!wanted(what)) return
    // One that breaks down is a result too, and the others go on.
    const line = await run().catch((error: unknown) => ({ text: `FAILED ${what}: ${error}`, failed: true }))
    lines.push(line)
    onLine(line)
  }
  try {
    for (const broker of Object.keys(BROKERS) as BrokerName[])
      for (const database of Object.keys(DATABASES) as DatabaseName[])
        for (const seed of seeds.slice(0, 1)) {
          const what = `${database} + ${broker} for a minute, seed ${seed}`
          await tell(what, () => well(what, { servers, database, broker, options: { seed } }))
        }
    for (const mutation of MUTATIONS)
      for (const [database, broker] of MUTATED_ON)
        for (const seed of seeds) {
          const what = `${database} + ${broker}, "${mutation.name}"`
          const options = { ...mutation.chaos, seed }
          await tell(what, () => well(`${what} in place, seed ${seed}`, { servers, database, broker, options }))
          await tell(what, () => wrong(`${what} taken out, seed ${seed}`, { servers, database, broker, options, mutation }))
        }
  } finally {
    await servers.close()
  }
  return lines
}

async function certain(options: RunOptions): Promise<Ran> {
  const run = await ran(options)
  if (!run) throw new Error(`no ${options.database} or no ${options.broker} here`)
  return run
}

async function well(what: string, options: RunOptions): Promise<Line> {
  const run = await certain(options)
  const bad = whyBad(run)
  return { text: `${bad ? 'FAILED ' : ''}${what}, ${run.seconds} s: ${bad ?? described(run.ledger)}`, failed: bad !== undefined }
}

async function wrong(what: string, options: RunOptions & Required<Pick<RunOptions, 'mutation'>>): Promise<Line> {
  const run = await certain(options)
  const unproved = whyUnproved(run, options.mutation)
  const text = unproved ?? `red, as it must be: ${described(run.ledger, { mostFindings: 1, stories: false })}`
  return { text: `${unproved ? 'FAILED ' : ''}${what}, ${run.seconds} s: ${text}`, failed: unproved !== undefined }
}
