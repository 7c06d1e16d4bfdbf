import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Charge {
  readonly amount: number
  readonly cardToken: string
  /** Charging twice with the same one charges once: a real provider remembers it. */
  readonly idempotencyKey: string
}

export type ChargeResult = { readonly success: true } | { readonly success: false; readonly reason: string }

/** Stands for a provider's client library. The setting says whether the provider is there. */
export class PaymentGateway {
  readonly #isAvailable: () => boolean
  readonly #answersAfterMs: number

  constructor({ isAvailable, answersAfterMs = 0 }: { isAvailable: () => boolean; answersAfterMs?: number }) {
    this.#isAvailable = isAvailable
    this.#answersAfterMs = answersAfterMs
  }

  async charge(_: Charge, signal: AbortSignal): Promise<ChargeResult> {
    if (this.#answersAfterMs > 0) await sleep(this.#answersAfterMs, undefined, { signal })
    return this.#isAvailable() ? { success: true } : { success: false, reason: 'gateway unreachable' }
  }
}

/** The switch is a row, so that an administrator's request to the API reaches the consumer's process. */
export function gatewayAvailable(db: DatabaseSync): boolean {
  return db.prepare('SELECT available FROM gateway').get()?.available === 1
}

export function switchGateway(db: DatabaseSync, available: boolean): void {
  db.prepare('UPDATE gateway SET available = ?').run(available ? 1 : 0)
}
