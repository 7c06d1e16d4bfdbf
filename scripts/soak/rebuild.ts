import { spawn } from 'node:child_process'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const ORDERS = 100_000

export interface RebuildLine {
  readonly text: string
  readonly failed: boolean
}

/** A projection of a hundred thousand orders that is made anew while a hundred a second arrive, on SQLite and PostgreSQL. */
export async function rebuildsOn(): Promise<readonly RebuildLine[]> {
  const args = ['run', '--project', 'cqrs-libraries', 'packages/cqrs/libraries/rebuild']
  const env = { ...process.env, COREBUS_ORDERS: String(ORDERS), NO_COLOR: '1' }
  const vitest = spawn(join(ROOT, 'node_modules/.bin/vitest'), args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  vitest.stdout.on('data', (chunk) => {
    said += chunk
  })
  const code = await new Promise<number | null>((resolve) => vitest.once('close', resolve))
  const figures = said.split('\n').filter((line) => line.includes('orders handled in'))
  if (code === 0 && figures.length === 2) return figures.map((text) => ({ text: `ok     ${text}`, failed: false }))
  return [{ text: `FAILED with exit code ${code}\n${said}`, failed: true }]
}
