import type { ChaosOptions } from './history.ts'
import type { Mix } from './protocol.ts'

/** What sessions and handlers do, unless a run says something else. */
export const MIX: Mix = {
  keys: 20,
  sessionsAtOnce: 5,
  throwing: 15,
  slow: 5,
  slowMs: 300,
  hanging: 1,
  hangingMs: 2_000,
  failing: 5,
  overdue: 5,
  handlerMs: 10,
  pauseMs: 15,
}

/** Everything that can go wrong, the usual more often. */
export const PLENTY: Omit<ChaosOptions, 'seed'> = {
  forMs: 60_000,
  leastCommitted: 300,
  hopelessMs: 25_000,
  deck: {
    killConsumer: 5,
    killRelay: 4,
    killProducer: 3,
    stopConsumer: 2,
    stopRelay: 1,
    stopProducer: 1,
    stopConsumerLong: 1,
    stopRelayLong: 1,
    cutDatabase: 2,
    freezeDatabase: 2,
    killDatabase: 1,
    cutBroker: 2,
    freezeBroker: 2,
    killBroker: 1,
  },
  mix: MIX,
  // Mostly around a commit.
  moments: {
    producer: ['emitted', 'emitted', 'committed'],
    relay: ['published'],
    consumer: ['written', 'returned', 'dispatched', 'dispatched'],
  },
}

/** One file has one writer: whoever keeps it waiting, keeps everybody waiting. */
export const ON_A_FILE: Partial<ChaosOptions['mix']> = { slowMs: 60, hangingMs: 600, overdue: 2, pauseMs: 40 }
