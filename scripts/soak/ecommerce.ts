import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootSystem } from '../../examples/ecommerce/demo/system.ts'
import { openPlace, PLACES, type PlaceName } from '../../examples/ecommerce/load/places.ts'
import { runLoad } from '../../examples/ecommerce/load/run.ts'

const ORDERS = 5_000
const KILLS = 25

export interface EcommerceSoakOptions {
  readonly seeds: readonly number[]
  /** Names of brokers, `sqlite` for the embedded one. Default: all. */
  readonly only?: readonly string[]
  /** Told of each run when it is over. */
  readonly onLine: (line: EcommerceLine) => void
}

export interface EcommerceLine {
  readonly text: string
  readonly failed: boolean
}

const NO_SERVERS = { MESSAGING_BROKER: 'sqlite', MYSQL_DSN: '', POSTGRES_DSN: '', MONGO_URI: '', KAFKA_BROKERS: '' }

/** The e-commerce example under load while its processes are killed, on every broker with a database. */
export async function ecommerceOn({ seeds, only, onLine }: EcommerceSoakOptions): Promise<readonly EcommerceLine[]> {
  const lines: EcommerceLine[] = []
  const names = (['SQLite', ...Object.keys(PLACES)] as ('SQLite' | PlaceName)[]).filter(
    (name) => only?.some((one) => name.toLowerCase().startsWith(one)) ?? true,
  )
  for (const name of names)
    for (const seed of seeds) {
      const line = await lineOf(name, seed)
      lines.push(line)
      onLine(line)
    }
  return lines
}

async function lineOf(name: 'SQLite' | PlaceName, seed: number): Promise<EcommerceLine> {
  const folder = await mkdtemp(join(tmpdir(), 'ecommerce-load-'))
  const place = name === 'SQLite' ? { env: NO_SERVERS, close: async () => undefined } : await openPlace(name)
  if (!place) return { text: `FAILED ${name}, seed ${seed}: it cannot be had here`, failed: true }
  const env = {
    ECOMMERCE_DATA: folder,
    SQLITE_PATH: join(folder, 'messages.db'),
    ...place.env,
    LOG_LEVEL: 'info',
    ORDER_EXPIRES_AFTER: '20s',
  }
  const system = await bootSystem({ env })
  try {
    const { wrong, summary } = await runLoad({ system, seed, users: 200, products: 50, orders: ORDERS, kills: KILLS, settleMs: 600_000 })
    const ended = await system.stop()
    const all = [...wrong, ...ended.map((one) => `did not end with code 0: ${one}`)]
    if (all.length === 0) await rm(folder, { recursive: true, force: true })
    if (all.length === 0) return { text: `ok     ${name}, ${summary}`, failed: false }
    return { text: [`FAILED ${name}, ${summary}; see ${folder}`, ...all].join('\n  '), failed: true }
  } catch (error) {
    return { text: `FAILED ${name}, seed ${seed}: ${error instanceof Error ? error.message : String(error)}; see ${folder}`, failed: true }
  } finally {
    await system.stop()
    await place.close()
  }
}
