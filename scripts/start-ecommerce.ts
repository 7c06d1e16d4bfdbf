import { startSystem } from '../examples/ecommerce/demo/start.ts'

process.exitCode = await startSystem(process.argv.slice(2), process.env)
