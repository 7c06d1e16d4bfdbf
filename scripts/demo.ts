import { runDemo } from '../examples/two-apis/demo/main.ts'

process.exitCode = await runDemo()
