import { BUILDERS } from './builders.ts'
import type { Case } from './case.ts'
import { DRIVERS } from './drivers.ts'
import { ORMS } from './orms.ts'

export const CASES: readonly Case[] = [...DRIVERS, ...BUILDERS, ...ORMS].sort((a, b) => a.database.localeCompare(b.database))
