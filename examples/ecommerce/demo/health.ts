// Asks every service whether it is ready. Usage: npm run health:ecommerce -- [--json] [--first-port 8081]
import { parseChoice } from './choice.ts'
import { serviceSettings } from './service-env.ts'
import { SERVICES, type ServiceName } from './system.ts'

export interface ServiceHealth {
  readonly service: ServiceName
  readonly url: string
  readonly ready: boolean
  /** Why it is not ready; empty when it is. */
  readonly reasons: readonly string[]
}

const ANSWER_LIMIT_MS = 3_000

/** Asks a service's `/readyz`. Never rejects: what does not answer is not ready. */
export async function healthOf(service: ServiceName, url: string): Promise<ServiceHealth> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
    const body: unknown = await response.json()
    return { service, url, ready: response.ok, reasons: response.ok ? [] : reasonsIn(body, response.status) }
  } catch (error) {
    return { service, url, ready: false, reasons: [whyNoAnswer(error)] }
  }
}

function reasonsIn(body: unknown, status: number): readonly string[] {
  const reasons = typeof body === 'object' && body !== null && 'reasons' in body && Array.isArray(body.reasons) ? body.reasons : []
  return reasons.length > 0 ? reasons.map(String) : [`it answers ${status}`]
}

function whyNoAnswer(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${ANSWER_LIMIT_MS / 1_000} s`
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ECONNREFUSED') return 'nobody listens there: is it running?'
  return error.name === 'SyntaxError' ? 'something else listens there: its answer is not ours' : String(code ?? error.message)
}

/** Returns a line for each service, under a head. */
export function healthTable(all: readonly ServiceHealth[]): string {
  const rows = all.map(({ service, url, ready, reasons }) => [service, url, ready ? 'yes' : 'no', reasons.join('; ')])
  const table = [['SERVICE', 'URL', 'READY', 'WHY NOT'], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const HELP = `Usage: npm run health:ecommerce -- [options]

Asks every service of the e-commerce example for /readyz.

Options:
  --json            as JSON
  --first-port <n>  the port of the first service, as for start:ecommerce (default 8081)
  -h, --help        this

Exit codes:
  0  all of them are ready
  1  one of them is not
  2  a mistake in the command or the settings`

/** @throws SettingsError */
export async function healthMain(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const parsed = parseChoice(args, ['json', 'first-port'])
  if (parsed.kind === 'wrong') {
    console.error(`health:ecommerce: ${parsed.why} (--help shows how)`)
    return 2
  }
  if (parsed.kind === 'help') {
    console.log(HELP)
    return 0
  }
  const all = await Promise.all(
    SERVICES.map((service) => healthOf(service, `http://127.0.0.1:${serviceSettings(service, parsed.choice, env).port}`)),
  )
  console.log(parsed.json ? JSON.stringify(all) : healthTable(all))
  return all.every(({ ready }) => ready) ? 0 : 1
}

if (import.meta.main) process.exitCode = await healthMain(process.argv.slice(2), process.env)
