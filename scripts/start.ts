import { keepRunning } from '../examples/two-apis/demo/keep-running.ts'

process.exitCode = await keepRunning(process.env)
