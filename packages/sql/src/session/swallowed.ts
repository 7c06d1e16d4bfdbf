import { isConflict } from '../tx/database-errors.ts'
import { calls, property } from '../tx/recogniser.ts'

/** The object that the statements of one transaction go through, and its methods that run them. Nobody else uses it before the transaction is over. */
export interface Statements {
  readonly on: object
  readonly methods: readonly string[]
}

type Run = (...args: readonly unknown[]) => unknown

/**
 * Runs `work` of a transaction on MySQL or MariaDB, which end a transaction that is a deadlock with another one, and commit each later statement by
 * itself. Nothing is run any more once a statement was rejected so, and when the work has swallowed that error, it is what this rejects with.
 */
export async function unlessSwallowed<T>({ on, methods }: Statements, work: () => Promise<T>): Promise<T> {
  let conflict: { readonly error: unknown } | undefined
  const note = (thrown: unknown): never => {
    if (isConflict(thrown)) conflict ??= { error: thrown }
    throw thrown
  }
  const before = methods.map((name) => [name, Object.getOwnPropertyDescriptor(on, name)] as const)
  for (const name of methods) {
    const run = property(on, name) as Run
    const noting: Run = (...args) => {
      if (conflict) return Promise.reject(conflict.error)
      const result = Reflect.apply(run, on, args)
      return result instanceof Promise ? result.catch(note) : result
    }
    Object.defineProperty(on, name, { value: noting, configurable: true, writable: true, enumerable: false })
  }
  try {
    const result = await work()
    if (conflict) throw conflict.error
    return result
  } finally {
    // The library may do what it wants with the connection from now on.
    for (const [name, own] of before) {
      if (own) Object.defineProperty(on, name, own)
      else Reflect.deleteProperty(on, name)
    }
  }
}

/** Undefined where the object has none of the methods: a version of its library that nobody has looked at. */
export function statementsOf(on: unknown, ...methods: readonly string[]): Statements | undefined {
  return typeof on === 'object' && on !== null && calls(on, ...methods) ? { on, methods } : undefined
}

interface Provides {
  provideConnection<T>(consumer: (connection: unknown) => Promise<T>): Promise<T>
}

/** Returns the statements of a Kysely transaction's connection, which the transaction gives to what builds queries in other ways too. */
export async function kyselyStatements(tx: unknown): Promise<Statements | undefined> {
  if (typeof tx !== 'object' || tx === null || !calls(tx, 'getExecutor')) return undefined
  const executor = (tx as { getExecutor(): Provides }).getExecutor()
  return calls(executor, 'provideConnection')
    ? executor.provideConnection(async (connection) => statementsOf(connection, 'executeQuery'))
    : undefined
}
