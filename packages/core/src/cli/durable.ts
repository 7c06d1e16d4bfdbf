import type { Driver } from '../driver.ts'
import { CorebusError } from '../errors.ts'

/** @throws CorebusError USAGE where `what` needs several processes to meet at the broker, and they cannot. */
export function checkDurable(what: string, { capabilities, name }: Driver): void {
  if (capabilities.durable) return
  throw new CorebusError(
    'USAGE',
    `${what} needs a broker that several processes share, and the broker ${name} lives inside one process and ends with it. Use MESSAGING_BROKER=sqlite, which needs no server either`,
  )
}
