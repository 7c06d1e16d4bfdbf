import { currentRun } from './run.ts'

type Method = (this: unknown, ...args: unknown[]) => unknown

interface Named {
  readonly name: string
  /** A method that something else stands in the place of. */
  readonly original?: (name: string) => Method | undefined
}

/** The names of the methods that run statements, in node:sqlite, better-sqlite3, PGlite, pg and mysql2. */
const RUNS: ReadonlySet<string> = new Set(['query', 'exec', 'execute', 'sql', 'run', 'get', 'all', 'iterate', 'values', 'raw'])

/** The methods by which the objects of those libraries are known. */
const RUNS_STATEMENTS = [
  ['prepare', 'exec'],
  ['query', 'exec'],
  ['query', 'execute'],
  ['query', 'connect'],
]

const originals = new WeakMap<object, object>()

/** Returns the database object as the session opened it, for the one that a handler was given in its place. */
export const openedAs = (db: unknown): unknown => (isObject(db) ? (originals.get(db) ?? db) : db)

/**
 * A database object whose statements are calls of the run. Undefined where its library has no methods for statements, as builders have none: what they
 * run in a session is committed together, so that the end of the session stands for all of it.
 */
export function asDatabase<Db>(db: Db, { name, original = () => undefined }: Named = { name: 'db' }): Db | undefined {
  if (!isObject(db) || !RUNS_STATEMENTS.some((methods) => methods.every((one) => isMethod(db, one)))) return undefined
  const proxy = new Proxy(db, {
    get(target, key) {
      const value: unknown = (typeof key === 'string' && original(key)) || Reflect.get(target, key, target)
      if (typeof value !== 'function' || key === 'constructor') return value
      if (key === 'prepare') return (...args: unknown[]) => statement(name, args, Reflect.apply(value, target, args) as object)
      if (typeof key !== 'string' || !RUNS.has(key)) return (...args: unknown[]) => Reflect.apply(value, target, args) as unknown
      return (...args: unknown[]) => calling(name, args, () => Reflect.apply(value, target, args) as unknown)
    },
  })
  originals.set(proxy, db)
  return proxy
}

/** A prepared statement: it is called when it runs. */
function statement(name: string, sql: readonly unknown[], prepared: object): object {
  const proxy: object = new Proxy(prepared, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function' || key === 'constructor') return value
      return (...args: unknown[]) => {
        const perform = (): unknown => Reflect.apply(value, target, args)
        const result = typeof key === 'string' && RUNS.has(key) ? calling(name, sql, perform) : perform()
        return result === target ? proxy : result
      }
    },
  })
  return proxy
}

function calling(name: string, [sql]: readonly unknown[], perform: () => unknown): unknown {
  const run = currentRun()
  const what = briefly(sql)
  if (!run || ENDS.test(what) || (FRAMES.test(what) && !run.dead)) return perform()
  return run.call(`${name}: ${what}`, perform)
}

/** The statements that begin and commit transactions, which are no effect by themselves. A dead run runs none of them. */
const FRAMES = /^(begin|start|commit|end|savepoint)\b/i
/** The statements that a dead run still runs: what it has open is rolled back, and its connection is one that goes on. */
const ENDS = /^(rollback|release|pragma)\b/i

const MOST_WORDS = 3

/** `INSERT INTO orders`: what it does, and to what. */
function briefly(sql: unknown): string {
  const text = Array.isArray(sql) ? sql.join('?') : typeof sql === 'object' && sql !== null && 'text' in sql ? sql.text : sql
  const words = String(text)
    .replace(/^SELECT\b.*?\bFROM\b/is, 'SELECT FROM')
    .split(/[\s(]+/)
    .filter((word) => word !== '')
  return words.slice(0, MOST_WORDS).join(' ')
}

const isObject = (given: unknown): given is object => typeof given === 'object' && given !== null
const isMethod = (given: object, name: string): boolean => typeof Reflect.get(given, name) === 'function'
