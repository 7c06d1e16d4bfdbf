import { CorebusError } from '../errors.ts'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time to let pass: ms, or a number with its unit. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

/** @throws CorebusError OPTION for what is no time that could pass */
export function msOf(duration: Duration): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration)) ?? []
  const ms = typeof duration === 'number' ? duration : Number(number) * (UNITS[unit] ?? Number.NaN)
  if (Number.isFinite(ms) && ms >= 0) return ms
  throw new CorebusError(
    'OPTION',
    `advance wants ms, or a number with its unit, such as '500ms', '30s', '10m', '2h' or '1d', not ${JSON.stringify(duration)}`,
  )
}
