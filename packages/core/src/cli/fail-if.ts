import { CorebusError } from '../errors.ts'
import { didYouMean } from '../options/spelling.ts'

/** What a condition may ask for, of one group on one topic. Undefined where it is not known. */
export interface Figures {
  readonly ready?: number | undefined
  readonly 'in-flight'?: number | undefined
  readonly delayed?: number | undefined
  readonly dead?: number | undefined
  readonly members?: number | undefined
  /** Messages handled in a second. */
  readonly rate?: number | undefined
  /** The share of calls that failed in the last minute, in per cent. */
  readonly failed?: number | undefined
  /** The share of handler slots that are busy, in per cent. */
  readonly busy?: number | undefined
  /** Seconds since the oldest unsettled message was published. */
  readonly oldest?: number | undefined
}

const UNITS: Readonly<Record<keyof Figures, string>> = {
  ready: '',
  'in-flight': '',
  delayed: '',
  dead: '',
  members: '',
  rate: '',
  failed: '%',
  busy: '%',
  oldest: 's',
}
const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '=': (a, b) => a === b,
}
const CONDITION = /^\s*([a-z-]+)\s*(>=|<=|>|<|=)\s*(\d+(?:\.\d+)?)\s*(%|s)?\s*$/

/** Says what of a row is as the condition has it; undefined when it is not, 'unknown' where the figure is not known. */
export type Condition<Name extends string = keyof Figures> = (figures: { readonly [N in Name]?: number | undefined }) => string | undefined

/** By default the units are those of groups on topics. @throws CorebusError USAGE for what is no condition */
export function conditionOf(text: string): Condition
export function conditionOf<Name extends string>(text: string, units: Readonly<Record<Name, string>>): Condition<Name>
export function conditionOf(text: string, units: Readonly<Record<string, string>> = UNITS): Condition<string> {
  const [, field = '', sign = '', number = '', unit = ''] = CONDITION.exec(text) ?? []
  const names = Object.keys(units)
  if (!Object.hasOwn(units, field)) {
    const [other = '', unitOfOther = ''] = Object.entries(units).find(([, one]) => one !== '') ?? []
    const hint = field === '' ? ` Write it as in dead>10 or ${other}>5${unitOfOther}.` : didYouMean(field, names)
    throw new CorebusError('USAGE', `--fail-if ${JSON.stringify(text)}: it begins with one of ${names.join(', ')}.${hint}`)
  }
  const known = units[field] ?? ''
  if (unit !== '' && unit !== known)
    throw new CorebusError(
      'USAGE',
      `--fail-if ${JSON.stringify(text)}: ${field} is ${known === '' ? 'a number' : `in ${known}`}, not in ${unit}`,
    )
  const holds = COMPARE[sign] as (a: number, b: number) => boolean
  return (figures) => {
    const value = figures[field]
    if (value === undefined) return 'unknown'
    return holds(value, Number(number)) ? `${field} is ${Math.round(value * 100) / 100}${known}` : undefined
  }
}
