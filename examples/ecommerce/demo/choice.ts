import { parseArgs } from 'node:util'
import { SERVICES, type ServiceName } from './system.ts'

export const BROKERS = ['sqlite', 'kafka', 'rabbitmq', 'redis'] as const
export const WRITES = ['sqlite', 'mysql', 'postgres'] as const
export const READS = ['sqlite', 'postgres', 'mongodb'] as const

/** What the system runs on, and where. What is left out is what .env and the environment say. */
export interface Choice {
  readonly broker?: (typeof BROKERS)[number]
  /** The databases that services write into. */
  readonly write?: (typeof WRITES)[number]
  /** The store of the read model. */
  readonly read?: (typeof READS)[number]
  /** The port of the first service; the others have the ports after it. */
  readonly firstPort?: number
}

/** The answers of a command line: what to run, the help, or what is wrong with it in one line. */
export type Parsed =
  | { readonly kind: 'run'; readonly choice: Choice; readonly only: readonly ServiceName[]; readonly json: boolean }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly why: string }

const OPTIONS = {
  broker: { type: 'string' },
  write: { type: 'string' },
  read: { type: 'string' },
  only: { type: 'string', multiple: true },
  'first-port': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const
export type OptionName = keyof typeof OPTIONS

/** A mistake in the command line. */
class Wrong extends Error {}

/** Reads a command line that knows these options, and `--help` besides. */
export function parseChoice(args: readonly string[], known: readonly OptionName[]): Parsed {
  const options = Object.fromEntries([...known, 'help' as const].map((name) => [name, OPTIONS[name]]))
  try {
    // An option that is not known here is refused by parseArgs, so that the full list may say what the values are.
    const { values } = parseArgs({ args: [...args], options: options as typeof OPTIONS })
    if (values.help) return { kind: 'help' }
    const broker = oneOf('--broker', BROKERS, values.broker)
    const write = oneOf('--write', WRITES, values.write)
    const read = oneOf('--read', READS, values.read)
    const firstPort = portIn(values['first-port'])
    const choice = { ...(broker && { broker }), ...(write && { write }), ...(read && { read }), ...(firstPort && { firstPort }) }
    return { kind: 'run', choice, only: onlyIn(values.only), json: values.json ?? false }
  } catch (thrown) {
    if (thrown instanceof Wrong || isParseError(thrown)) return { kind: 'wrong', why: thrown.message.split('. ')[0] ?? thrown.message }
    throw thrown
  }
}

function oneOf<T extends string>(option: string, known: readonly T[], given: string | undefined): T | undefined {
  if (given === undefined) return undefined
  const found = known.find((name) => name === given)
  if (!found) throw new Wrong(`${option} is one of ${known.join(', ')}, and not "${given}"`)
  return found
}

/** A service by its name, or by the first word of it. */
function onlyIn(given: readonly string[] = []): readonly ServiceName[] {
  return given.map((name) => {
    const found = SERVICES.find((service) => service === name || service === `${name}-service`)
    if (!found) throw new Wrong(`--only is one of ${SERVICES.join(', ')}, and not "${name}"`)
    return found
  })
}

function portIn(given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const port = Number(given)
  const highest = 65_536 - SERVICES.length
  if (!/^\d+$/.test(given) || port < 1 || port > highest)
    throw new Wrong(`--first-port is a number from 1 to ${highest}, and not "${given}"`)
  return port
}

const isParseError = (thrown: unknown): thrown is Error =>
  thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('ERR_PARSE_ARGS')
