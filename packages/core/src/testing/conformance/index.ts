export type { ConformanceCase, ConformanceTarget, ConnectOptions, Faults } from './case.ts'
export { conformanceCases } from './cases.ts'
export { type Runner, type RunOptions, runConformance } from './run.ts'
export { conformanceResults, conformanceTable, type Result, type Results, type ResultsOptions } from './table.ts'
