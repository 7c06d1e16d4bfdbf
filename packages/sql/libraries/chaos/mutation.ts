import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ChaosOptions } from './history.ts'
import type { Finding } from './ledger.ts'
import { MIX } from './plan.ts'
import type { Role } from './protocol.ts'
import type { DatabaseName } from './tables.ts'

const PACKAGES = join(import.meta.dirname, '../../..')

export interface Change {
  /** Below packages, such as core/src/consumer/group-run.ts. */
  readonly file: string
  /** It must be there exactly once: a change that does nothing would be taken for a safeguard that is not needed. */
  readonly find: string
  readonly replace: string
}

export interface LoadedChange extends Change {
  readonly url: string
}

/** One safeguard taken out of the source, so that a run must go wrong: if it does not, the run proves nothing. */
export interface Mutation {
  readonly name: string
  /** The processes that have it. */
  readonly role: Role
  readonly changes: (database: DatabaseName) => readonly Change[]
  /** At least one of these must be found. Something else alone is no proof. */
  readonly shows: readonly Finding['kind'][]
  /** What it takes for it to show. The unchanged code must come out well under the same. */
  readonly chaos: Partial<ChaosOptions>
}

/** @throws Error for a change whose text is not in its file, or more than once. */
export function loaded({ name, changes }: Pick<Mutation, 'name' | 'changes'>, database: DatabaseName): readonly LoadedChange[] {
  return changes(database).map((change) => {
    const path = join(PACKAGES, change.file)
    const times = readFileSync(path, 'utf8').split(change.find).length - 1
    if (times !== 1) throw new Error(`mutation "${name}": "${change.find}" is in ${change.file} ${times} times, and must be there once`)
    return { ...change, url: pathToFileURL(path).href }
  })
}

/** Messages come twice where a relay dies between its publish and its commit, and a consumer between its commit and the acknowledgement. */
const KILLS: Partial<ChaosOptions> = {
  forMs: 8_000,
  leastCommitted: 300,
  deck: { killRelay: 6, killConsumer: 8 },
  moments: { producer: ['committed'], relay: ['published'], consumer: ['dispatched'] },
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'the inbox forgets',
    role: 'consumer',
    changes: () => [{ file: 'sql/src/inbox/inbox.ts', find: 'return affected > 0', replace: 'return affected >= 0' }],
    shows: ['twice'],
    chaos: KILLS,
  },
  {
    name: 'relays claim nothing',
    role: 'relay',
    changes: (database) =>
      database === 'sqlite'
        ? [{ file: 'sql/src/relay/lease.ts', find: 'or expires <= ', replace: 'or 1 = 1 or expires <= ' }]
        : [{ file: 'sql/src/relay/rows.ts', find: '} for update skip locked`', replace: '}`' }],
    // Each of them publishes what it has read in order, so nothing is out of it: what shows is that both publish the same.
    shows: ['again'],
    chaos: { forMs: 6_000, leastCommitted: 300, deck: { killConsumer: 2 } },
  },
  {
    name: 'acknowledged before the commit',
    role: 'consumer',
    changes: () => [
      {
        file: 'core/src/consumer/group-run.ts',
        find: 'const dispatched = inFrameAsLoaded(dispatch, work, work.topic, this.#options.dispatch)',
        replace: `const dispatched = this.#subscribed.promise
          .then((subscription) => subscription.settle([{ kind: 'ack', delivery: work.delivery }]))
          .then(() => dispatch(work, work.topic, this.#options.dispatch))`,
      },
    ],
    shows: ['lost'],
    // Without handlers that fail or are late: their retries would be lost without any fault.
    chaos: {
      forMs: 8_000,
      leastCommitted: 300,
      hopelessMs: 15_000,
      deck: { killConsumer: 8 },
      mix: { ...MIX, failing: 0, overdue: 0, handlerMs: 60 },
    },
  },
]
