const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** `500ms`, `1s`, `15m`, `2h`, or a number of ms. Undefined for what is none. */
export function durationMs(text: string): number | undefined {
  const [, amount, unit = 'ms'] = /^(\d{1,9})(ms|s|m|h)?$/.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * UNITS[unit as keyof typeof UNITS]
}
