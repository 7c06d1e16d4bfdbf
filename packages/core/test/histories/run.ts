// Looks through histories: node packages/core/test/histories/run.ts [histories] [seed]. What it finds is printed as a test.
import { printed } from './printed.ts'
import { search } from './search.ts'

const [histories = 1_000, seed = Date.now() | 0] = process.argv.slice(2).map(Number)
const before = process.cpuUsage()
const found = await search({ seed, histories })
const { user, system } = process.cpuUsage(before)
const figures = {
  seed,
  histories: found?.after ?? histories,
  cpuMs: Math.round((user + system) / 1_000),
  heapMb: Math.round(process.memoryUsage().heapUsed / 1e6),
}
process.stdout.write(`${JSON.stringify({ ...figures, found })}\n`)
if (found) process.stderr.write(`${printed(found)}\n`)
// Processes of a history that were killed have left what keeps a process alive.
process.exit(found ? 1 : 0)
