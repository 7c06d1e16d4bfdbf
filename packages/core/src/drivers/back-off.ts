export interface BackOffOptions {
  readonly firstMs?: number
  readonly maxMs?: number
  /** From 0 up to 1. */
  readonly random?: () => number
}

/** How long to wait before try n = 1, 2, ...: doubling up to `maxMs`, each between half and all of it, so that many clients do not come back at once. */
export function backOff({ firstMs = 100, maxMs = 5_000, random = Math.random }: BackOffOptions = {}): (n: number) => number {
  return (n) => Math.min(firstMs * 2 ** (n - 1), maxMs) * (0.5 + random() / 2)
}
