import type { SqlDatabase } from './database.ts'
import type { Feature } from './schema.ts'

/** A symbol that copies of this package share: a command and the service that it loads may have a copy each. */
const COMMANDED = Symbol.for('corebus.sql.commanded')

/** What commands use of a companion, and nobody else. */
export interface Commanded {
  readonly feature: Feature
  /** Where its tables are. @throws CorebusError where the companion is given to no instance */
  database(): SqlDatabase
}

/** Adds to a companion what commands use of it. */
export function forCommands<C extends object>(companion: C, commanded: Commanded): C {
  return Object.defineProperty(companion, COMMANDED, { value: commanded })
}

/** Undefined for a companion that is none of this package. Its own kind is known by the option that it was given as. */
export function commandedBy<C extends Commanded>(companion: object | undefined): C | undefined {
  return (companion as { readonly [COMMANDED]?: C } | undefined)?.[COMMANDED]
}
