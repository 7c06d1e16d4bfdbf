import { setTimeout as sleep } from 'node:timers/promises'
import { Logger, makeWorkerUtils, type Runner, run } from 'graphile-worker'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import type { Contestant } from '../measure.ts'
import { order } from '../payload.ts'

const BYTES = 200
const INSERT = 1_000
/** The figures that its authors publish are of four of them, each with this many at once and jobs fetched and completed in batches. */
const GRAPHILE = { concurrency: 24, localQueue: 500, completeDelayMs: 0 }
const BOSS_BATCH = 500

const silent = new Logger(() => () => {})
const chunks = (messages: number): number[] => Array.from({ length: Math.ceil(messages / INSERT) }, (_, n) => n * INSERT)

/** Takes and completes jobs that lie in the database, with `workers` instances in this process. */
export function graphileWorker(url: string, messages: number, workers: number): Contestant {
  return {
    name: `graphile-worker, ${workers} ${workers === 1 ? 'instance' : 'instances'}`,
    async run() {
      const utils = await makeWorkerUtils({ connectionString: url, logger: silent })
      await utils.migrate()
      for (const from of chunks(messages))
        await utils.addJobs(
          Array.from({ length: INSERT }, (_, n) => ({ identifier: 'relay', payload: order(BYTES, from + n), maxAttempts: 10 })),
        )
      await utils.release()
      let done = 0
      const over = Promise.withResolvers<void>()
      const startedAt = performance.now()
      const runners = await Promise.all(
        Array.from({ length: workers }, () =>
          run({
            connectionString: url,
            logger: silent,
            noHandleSignals: true,
            concurrency: GRAPHILE.concurrency,
            maxPoolSize: GRAPHILE.concurrency + 2,
            preset: {
              worker: {
                localQueue: { size: GRAPHILE.localQueue },
                completeJobBatchDelay: GRAPHILE.completeDelayMs,
                failJobBatchDelay: GRAPHILE.completeDelayMs,
              },
            },
            taskList: {
              relay: () => {
                if (++done === messages) over.resolve()
              },
            },
          }),
        ),
      )
      await over.promise
      await completed(url, 'SELECT count(*)::int AS left FROM graphile_worker._private_jobs')
      const ms = performance.now() - startedAt
      await Promise.all(runners.map((runner: Runner) => runner.stop()))
      return ms
    },
  }
}

/** Takes and completes jobs that lie in the database, with `workers` loops of fetch and complete: its own `work` waits between batches. */
export function pgBoss(url: string, messages: number, workers: number): Contestant {
  return {
    name: `pg-boss, ${workers} ${workers === 1 ? 'loop' : 'loops'}`,
    async run() {
      const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false, max: workers + 1 })
      boss.on('error', () => {})
      await boss.start()
      await boss.createQueue('relay')
      for (const from of chunks(messages))
        await boss.insert(
          'relay',
          Array.from({ length: INSERT }, (_, n) => ({ data: order(BYTES, from + n) })),
        )
      let left = messages
      const startedAt = performance.now()
      await Promise.all(
        Array.from({ length: workers }, async () => {
          while (left > 0) {
            const jobs = await boss.fetch('relay', { batchSize: BOSS_BATCH })
            if (jobs.length === 0) await sleep(1)
            else {
              left -= jobs.length
              await boss.complete(
                'relay',
                jobs.map(({ id }) => id),
              )
            }
          }
        }),
      )
      const ms = performance.now() - startedAt
      await boss.deleteAllJobs('relay')
      await boss.stop({ graceful: false })
      return ms
    },
  }
}

/** Jobs are completed a moment after they were done. */
async function completed(url: string, left: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  while ((await client.query(left)).rows[0].left > 0) await sleep(1)
  await client.end()
}
