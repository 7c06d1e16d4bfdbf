import type { Logger } from 'pino'
import { described, told } from './described.ts'
import { oneLine } from './readable.ts'

/** Of pino, and of `logLevel`; 'silent' stands beside them. */
export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
const MOST_TEXT = 4_000
const MOST_FIELD = 1_000
const MOST_ITEMS = 100

/**
 * The same logger for what Corebus itself says. Errors are described and nothing else of them is given to it, texts are cut and have no control
 * characters, and one that throws (a destination that is full or closed) takes nothing down with it: what is lost is a line, and no message.
 */
export function steady(logger: Logger): Logger {
  const calm: Logger = Object.create(logger)
  for (const level of LEVELS)
    define(calm, level, (...given: unknown[]) => {
      quietly(() => {
        if (typeof logger[level] !== 'function' || (typeof logger.isLevelEnabled === 'function' && !logger.isLevelEnabled(level))) return
        const [first, ...rest] = given.map((one) => (typeof one === 'string' ? oneLine(told(one, MOST_TEXT)) : fieldsOf(one)))
        ;(logger[level] as (...args: unknown[]) => void)(first, ...rest)
      })
    })
  define(calm, 'isLevelEnabled', (level: string) => quietly(() => logger.isLevelEnabled?.(level)) ?? true)
  define(
    calm,
    'child',
    (...given: Parameters<Logger['child']>) => quietly(() => steady(logger.child(...given) as unknown as Logger)) ?? calm,
  )
  return calm
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, writable: true })
}

function quietly<T>(say: () => T): T | undefined {
  try {
    return say()
  } catch {
    return undefined
  }
}

function fieldsOf(given: unknown): unknown {
  if (given instanceof Error) return { err: described(given) }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, fieldOf(value)]))
}

function fieldOf(value: unknown): unknown {
  if (typeof value === 'string') return oneLine(told(value, MOST_FIELD))
  if (value instanceof Error) return described(value)
  return Array.isArray(value) ? value.slice(0, MOST_ITEMS).map(fieldOf) : value
}
