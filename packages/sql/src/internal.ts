// The parts of this package that the other packages of Corebus need and users do not: no promise is made about them.

export { type Commanded, commandedBy, forCommands } from './database/commanded.ts'
export { DATABASE, databaseFor } from './database/for.ts'
export { builder, NOW } from './database/statements.ts'
export { quoted, tableOption } from './database/table.ts'
export { kept } from './inbox/table.ts'
export { leaseFeature, leaseStore } from './lease/store.ts'
export { slept } from './process/every.ts'
export { type ColumnRules, rulesOf } from './repository/columns.ts'
export { txOf } from './tx/begun.ts'
export { isConflict, isMissingTable } from './tx/database-errors.ts'
