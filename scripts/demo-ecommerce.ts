import { runDemo } from '../examples/ecommerce/demo/main.ts'

process.exitCode = await runDemo()
