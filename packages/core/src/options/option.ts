import { z } from 'zod'
import { redactUrl } from './redact.ts'
import { didYouMean } from './spelling.ts'

/** How one option is declared. The check and the page of the reference read it; the interface beside its table is for the compiler. */
export interface Option {
  /** What holds without it: a number, or as the page says it. */
  readonly default: string | number
  readonly must: z.ZodType
  /** The sentence of the page. */
  readonly text: string
  /** Of an object: the options in it. Those of any name are under `*`. */
  readonly inside?: Options
}

export type Options = Readonly<Record<string, Option>>

// setTimeout fires at once when asked for more.
const LONGEST_TIMER_MS = 2_147_483_647

/** An option for which `check` holds when it is given; `words` complete the sentence "must be ...". */
export const must = (words: string, check: (value: unknown) => boolean): z.ZodType =>
  z
    .custom<unknown>((value) => value === undefined || check(value), { error: ({ input }) => `must be ${words}, not ${shown(input)}` })
    .optional()

/** The same for what must never be printed. */
export const secretly = (words: string, check: (value: unknown) => boolean): z.ZodType =>
  z.custom<unknown>((value) => value === undefined || check(value), { error: `must be ${words}` }).optional()

/** The same for what must not be left out of the object that it is in. */
export const needed = (words: string, check: (value: unknown) => boolean): z.ZodType =>
  z.custom<unknown>(check, { error: `must be ${words}` })

export const whole = (least: number, most: number): z.ZodType =>
  must(
    `a whole number from ${least} to ${most}`,
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  )

export const milliseconds = (least: number): z.ZodType =>
  must(
    `a number of milliseconds from ${least} to ${LONGEST_TIMER_MS}`,
    (value) => typeof value === 'number' && value >= least && value <= LONGEST_TIMER_MS,
  )

export const oneOf = (...names: readonly string[]): z.ZodType =>
  z
    .custom<unknown>((value) => value === undefined || (typeof value === 'string' && names.includes(value)), {
      error: ({ input }) =>
        `must be one of ${names.join(', ')}, not ${shown(input)}.${typeof input === 'string' ? didYouMean(input, names) : ''}`,
    })
    .optional()

export const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== ''
export const text: z.ZodType = must('a string that is not empty', isText)
export const flag: z.ZodType = must('true or false', (value) => typeof value === 'boolean')
export const callable: z.ZodType = must('a function', (value) => typeof value === 'function')
export const having = (...methods: readonly string[]): z.ZodType =>
  must(`an object with ${methods.join(', ')}`, (value) => isObject(value) && methods.every((name) => typeof value[name] === 'function'))
export const isTexts = (value: unknown): boolean => isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))
/** One name, or an array of some. */
export const texts: z.ZodType = must('a string, or an array of strings', isTexts)

/** The check of an object with these options and no others. */
export const objectOf = (options: Options): z.ZodType => strict(options).optional()

/** The same for each value of an object, whatever its name. */
export const objectsOf = (options: Options): z.ZodType => z.record(z.string(), strict(options)).optional()

/**
 * An object with these options, or something plainer. Of a union zod says too little; this says what is wrong inside the object, when it is one.
 */
export const objectOr = (options: Options, isPlain: (value: unknown) => boolean, words: string): z.ZodType => {
  const object = strict(options)
  return z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined || isPlain(value)) return
      if (!isObject(value)) return context.addIssue({ code: 'custom', message: `must be ${words}, not ${shown(value)}` })
      for (const issue of object.safeParse(value).error?.issues ?? [])
        context.addIssue({ ...issue, input: undefined } as Parameters<typeof context.addIssue>[0])
    })
    .optional()
}

export function strict(options: Options): z.ZodType {
  return z.strictObject(Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option.must])))
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(redactUrl(value).slice(0, 60))
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'undefined') return String(value)
  return Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
