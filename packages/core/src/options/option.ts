// The classes below what users write schemas with: the same copy of zod, and a third of it is not loaded for this.
import {
  _superRefine,
  $ZodCustom,
  $ZodNever,
  $ZodObject,
  $ZodOptional,
  $ZodRecord,
  $ZodString,
  type $ZodType,
  $ZodUnknown,
  safeParse,
} from 'zod/v4/core'
import { redactUrl } from './redact.ts'
import { didYouMean } from './spelling.ts'

/** How one option is declared. The check and the page of the reference read it; the interface beside its table is for the compiler. */
export interface Option {
  /** What holds without it: a number, or as the page says it. */
  readonly default: string | number
  readonly must: Check
  /** The sentence of the page. */
  readonly text: string
  /** Of an object: the options in it. Those of any name are under `*`. */
  readonly inside?: Options
}

/** Made when it is first asked for: most options of most tables are never given. */
export type Check = () => $ZodType

export type Options = Readonly<Record<string, Option>>

// setTimeout fires at once when asked for more.
const LONGEST_TIMER_MS = 2_147_483_647

/** An error says what was given, or words alone where that must never be printed. */
type Words = string | ((input: unknown) => string)

const holds =
  (check: (value: unknown) => boolean, words: Words): Check =>
  () =>
    new $ZodCustom({
      type: 'custom',
      check: 'custom',
      fn: check,
      abort: true,
      error: ({ input }) => (typeof words === 'string' ? words : words(input)),
    })

/** What may be left out, where the check itself takes nothing instead. */
export const optional =
  (check: Check): Check =>
  () =>
    new $ZodOptional({ type: 'optional', innerType: check() })

/** An option for which `check` holds when it is given; `words` are the end of the sentence that begins with its name. */
export const given = (check: (value: unknown) => boolean, words: Words): Check =>
  optional(holds((value) => value === undefined || check(value), words))

/** An option for which `check` holds when it is given; `words` complete the sentence "must be ...". */
export const must = (words: string, check: (value: unknown) => boolean): Check =>
  given(check, (input) => `must be ${words}, not ${shown(input)}`)

/** The same for what must never be printed. */
export const secretly = (words: string, check: (value: unknown) => boolean): Check => given(check, `must be ${words}`)

/** The same for what must not be left out of the object that it is in. */
export const needed = (words: string, check: (value: unknown) => boolean): Check => holds(check, `must be ${words}`)

export const whole = (least: number, most: number): Check =>
  must(
    `a whole number from ${least} to ${most}`,
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  )

export const milliseconds = (least: number): Check =>
  must(
    `a number of milliseconds from ${least} to ${LONGEST_TIMER_MS}`,
    (value) => typeof value === 'number' && value >= least && value <= LONGEST_TIMER_MS,
  )

export const oneOf = (...names: readonly string[]): Check =>
  given(
    (value) => typeof value === 'string' && names.includes(value),
    (input) => `must be one of ${names.join(', ')}, not ${shown(input)}.${typeof input === 'string' ? didYouMean(input, names) : ''}`,
  )

export const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== ''
export const text: Check = must('a string that is not empty', isText)
export const flag: Check = must('true or false', (value) => typeof value === 'boolean')
export const callable: Check = must('a function', (value) => typeof value === 'function')
export const having = (...methods: readonly string[]): Check =>
  must(`an object with ${methods.join(', ')}`, (value) => isObject(value) && methods.every((name) => typeof value[name] === 'function'))
export const isTexts = (value: unknown): boolean => isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))
/** One name, or an array of some. */
export const texts: Check = must('a string, or an array of strings', isTexts)

/** The check of an object with these options and no others. */
export const objectOf = (options: Options): Check => optional(() => strict(options))

/** The same for each value of an object, whatever its name. */
export const objectsOf = (options: Options): Check =>
  optional(() => new $ZodRecord({ type: 'record', keyType: new $ZodString({ type: 'string' }), valueType: strict(options) }))

/**
 * An object with these options, or something plainer. Of a union zod says too little; this says what is wrong inside the object, when it is one.
 * `contradiction` says what is wrong with options that each are right.
 */
export const objectOr = (
  options: Options,
  isPlain: (value: unknown) => boolean,
  words: string,
  contradiction: (value: Record<string, unknown>) => string | undefined = () => undefined,
): Check =>
  optional(() => {
    const object = strict(options)
    const check = _superRefine<unknown>((value, context) => {
      if (value === undefined || isPlain(value)) return
      if (!isObject(value)) return context.addIssue({ code: 'custom', message: `must be ${words}, not ${shown(value)}` })
      for (const issue of safeParse(object, value).error?.issues ?? [])
        context.addIssue({ ...issue, input: undefined } as Parameters<typeof context.addIssue>[0])
      const message = contradiction(value)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    return new $ZodUnknown({ type: 'unknown', checks: [check] })
  })

export function strict(options: Options): $ZodType {
  const shape = Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option.must()]))
  return new $ZodObject({ type: 'object', shape, catchall: new $ZodNever({ type: 'never' }) })
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(redactUrl(value).slice(0, 60))
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'undefined') return String(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
