import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootTwoApis, type TwoApis } from '../demo/two-apis.ts'
import { until } from '../demo/until.ts'
import { type Crowd, type CrowdOptions, crowd } from './customers.ts'
import { type Kill, planOf } from './plan.ts'
import { randomOf } from './random.ts'
import { type Files, onItsWay, rowsIn, wrong } from './verdict.ts'

export interface KillsOptions {
  readonly seed: number
  readonly kills: number
  /** Names the broker; added to this process's own. */
  readonly env: NodeJS.ProcessEnv
  /** The folder has the databases, and `log.txt` with what all processes have said and when each was killed. */
  readonly folder: string
}

export interface Outcome {
  readonly wrong: readonly string[]
  /** The line says how much has happened. */
  readonly summary: string
}

/** A process that has nothing to say is killed after that. */
const QUIET_MS = 500
/** Several kills in a row can hit a consumer before it has settled what it was handed out first. That message would be taken for what ends the process. */
const CRASH_LIMIT = '1000'
/** Generous: a relay that is killed keeps its rows for 10 s, and a handler that has failed waits for its retries. */
const REST_LIMIT_MS = 120_000

/** Kills processes of the two APIs while customers use them, lets everything come to rest, and says what is not right then. */
export async function killsOf({ seed, kills, env, folder }: KillsOptions): Promise<Outcome> {
  const files = { users: join(folder, 'users.db'), orders: join(folder, 'orders.db') }
  const log: string[] = []
  const apis = await bootTwoApis({
    env: { ...env, TMPDIR: folder, USERS_DB: files.users, ORDERS_DB: files.orders, CRASH_LIMIT },
    onLine: ({ from, text }) => log.push(`${from}: ${text}`),
  })
  const idOf = (email: string): number | undefined =>
    rowsIn(files.users, 'SELECT id FROM users WHERE email = ?', email)[0]?.id as number | undefined
  try {
    const { there, tookMs } = await crowdAndKills(apis, { seed, kills, idOf, onKill: (kill) => log.push(`KILLED ${JSON.stringify(kill)}`) })
    await comesToRest(apis, files)
    const notWell = [...(await wrong(files, there.customers, apis.core)), ...(await apis.stop()).map((how) => `did not end well: ${how}`)]
    return { wrong: notWell, summary: `seed ${seed}: ${kills} kills in ${Math.round(tookMs / 1_000)} s; ${told(there, apis)}` }
  } finally {
    await apis.stop()
    await writeFile(join(folder, 'log.txt'), log.map((line) => `${line}\n`).join(''))
  }
}

interface CrowdAndKillsOptions extends Pick<CrowdOptions, 'idOf'>, Pick<KillsOptions, 'seed' | 'kills'> {
  readonly onKill: (kill: Kill) => void
}

/** Each ends with the other, whatever ends it. */
async function crowdAndKills(
  apis: TwoApis,
  { seed, kills, idOf, onKill }: CrowdAndKillsOptions,
): Promise<{ readonly there: Crowd; readonly tookMs: number }> {
  const over = new AbortController()
  const end = (): void => over.abort()
  const both = [
    crowd({ apis, random: randomOf(seed + 1), idOf, signal: over.signal }).finally(end),
    killAll(apis, { plan: planOf({ seed, kills }), onKill, signal: over.signal }).finally(end),
  ] as const
  await Promise.allSettled(both)
  const [there, tookMs] = await Promise.all(both)
  return { there, tookMs }
}

async function killAll(
  apis: TwoApis,
  { plan, onKill, signal }: { plan: readonly Kill[]; onKill: (kill: Kill) => void; signal: AbortSignal },
): Promise<number> {
  const startedAt = performance.now()
  for (const kill of plan) {
    await whenItIsTime(apis, kill)
    if (signal.aborted) break
    onKill(kill)
    await apis.crash(kill.who)
  }
  return performance.now() - startedAt
}

async function whenItIsTime(apis: TwoApis, { who, when }: Kill): Promise<void> {
  if (when.kind === 'starting') return sleep(when.afterMs)
  await apis.up(who)
  const last = apis.said(who) + when.lines
  const quietAt = performance.now() + QUIET_MS
  const isTime = (): true | undefined => (apis.said(who) >= last || performance.now() > quietAt ? true : undefined)
  await until('it is in the middle of something', isTime, { signal: apis.signal })
}

async function comesToRest({ core, lines, signal }: TwoApis, files: Files): Promise<void> {
  let left: string | undefined
  const rests = async (): Promise<true | undefined> => {
    const said = lines.length
    left = await onItsWay(files, core)
    // Where the broker does not tell what is in flight, a process that handles it has something to say.
    await sleep(QUIET_MS)
    if (lines.length > said) left ??= 'messages that are handled'
    return left === undefined ? true : undefined
  }
  await until('everything has come to rest', rests, { signal, limitMs: REST_LIMIT_MS }).catch((error: Error) => {
    throw new Error(`${error.message}; still ${left}`)
  })
}

function told({ customers, asked }: Crowd, apis: TwoApis): string {
  const orders = customers.reduce((sum, { ordered }) => sum + ordered.length, 0)
  const payments = customers.reduce((sum, { paid }) => sum + paid.length, 0)
  const skipped = apis.happened('skipped', {}).length
  return `${customers.length} customers, ${orders} orders, ${payments} payments, ${asked.unanswered} of ${asked.requests} requests without an answer, ${skipped} messages skipped by the inbox`
}
