import type * as Sqlite from 'node:sqlite'
import { CorebusError } from '../../errors.ts'

/** Loaded when a driver connects, never before: importing the SDK must not load a database, and Node 22 prints a warning that is not for our users. */
export function sqliteLibrary(): typeof Sqlite {
  const { emitWarning } = process
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes('SQLite is an experimental feature')) emitWarning.call(process, warning, ...rest)
  }) as typeof emitWarning
  try {
    const library = process.getBuiltinModule?.('node:sqlite')
    if (library) return library
  } finally {
    process.emitWarning = emitWarning
  }
  throw new CorebusError(
    'NODE_TOO_OLD',
    `the embedded broker needs Node 22.13 or later (this is ${process.version}): update Node or name another broker`,
  )
}
