import { type $ZodIssue, type $ZodType, safeParse } from 'zod/v4/core'
import { CorebusError } from '../errors.ts'
import { isObject, type Options, strict } from './option.ts'
import { didYouMean } from './spelling.ts'

export interface Checked {
  /** A line each, in words. */
  readonly mistakes: readonly string[]
  /** The names of the wrong ones, which nobody should read further. */
  readonly wrong: ReadonlySet<string>
}

const FINE: Checked = { mistakes: [], wrong: new Set() }
const checks = new WeakMap<Options, $ZodType>()

/** What is wrong with the options that somebody gave, by themselves. `elsewhere` says where an option belongs that is none here. */
export function mistakesIn(given: unknown, known: Options, elsewhere: Readonly<Record<string, string>> = {}): Checked {
  const check = checks.get(known) ?? strict(known)
  checks.set(known, check)
  const issues = safeParse(check, given).error?.issues
  if (!issues) return FINE
  // As they were given; what is no option at all comes last.
  const order = isObject(given) ? Object.keys(given) : []
  const place = ({ path: [name] }: $ZodIssue) => (name === undefined ? order.length : order.indexOf(String(name)))
  const mistakes = issues
    .toSorted((one, other) => place(one) - place(other))
    .flatMap((issue) => {
      const path = issue.path.map(String)
      return issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownOption([...path, key], known, elsewhere))
        : [
            `${path.join('.') || 'what is given as options'} ${issue.code === 'invalid_type' ? `must be an ${issue.expected}` : issue.message}`,
          ]
    })
  return { mistakes, wrong: new Set(issues.map(({ path: [name] }) => String(name ?? ''))) }
}

/** @throws CorebusError OPTION with everything that is wrong with the options given at `where`: one that is misspelt would be ignored in silence. */
export function checkOptions(where: string, given: unknown, known: Options, elsewhere?: Readonly<Record<string, string>>): void {
  const { mistakes } = mistakesIn(given, known, elsewhere)
  if (mistakes.length > 0) throw new CorebusError('OPTION', `${where}: ${mistakes.join('; ')}`)
}

/** The same where options come with every request: names alone, and the whole check only where one is unknown. */
export function checkNames(where: string, given: unknown, known: Options): void {
  if (!isObject(given) || Object.keys(given).some((name) => !Object.hasOwn(known, name))) checkOptions(where, given, known)
}

function unknownOption(path: readonly string[], known: Options, elsewhere: Readonly<Record<string, string>>): string {
  const key = path.at(-1) ?? ''
  const other = path.length === 1 && Object.hasOwn(elsewhere, key) ? elsewhere[key] : undefined
  if (other !== undefined) return `${key} ${other}`
  let here = known
  for (const name of path.slice(0, -1)) here = (here[name] ?? here['*'])?.inside ?? {}
  const names = Object.keys(here)
  return `${path.join('.')} is not an option.${didYouMean(key, names) || ` There are ${names.join(', ')}`}`
}
