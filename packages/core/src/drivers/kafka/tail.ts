import type { Clock, Message } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Tail } from '../readers.ts'
import type { Address } from './address.ts'
import { Fetcher, type Source } from './group/fetcher.ts'
import { Metadata } from './metadata.ts'
import { Client } from './protocol/client.ts'
import { toMessage } from './wire.ts'

export interface TailOptions {
  readonly address: Address
  readonly clock: Clock
  readonly asking: Client
  readonly topic: string
  /** As the broker names it. */
  readonly name: string
  readonly from: 'now' | 'earliest'
  readonly onMessages: (messages: readonly Message[]) => void
}

/** Watches a topic as nobody's member: it reads all partitions from where they are now. */
export async function openTail({ address, clock, asking, topic, name, from, onMessages }: TailOptions): Promise<Tail> {
  const leaders = await asking.leaders(name)
  const starts = await asking.offsets(name, leaders, from === 'now' ? 'end' : 'begin')
  const sources: Source[] = starts.map((next, partition) => {
    if (next === undefined) throw new CorebusError('NO_LEADER', `no broker that is up has partition ${partition} of topic ${name}`)
    return { topic: name, partition, next, leader: -1 }
  })
  const client = new Client({ address })
  const metadata = new Metadata(client, clock)
  let stopped = false
  // A watcher has nobody to tell of its troubles.
  const nothing = () => {}
  const fetcher = new Fetcher<Source>({
    polling: client,
    catchingUp: client,
    metadata,
    clock,
    sources: () => sources,
    onFetched(source, { records, next, partition }) {
      source.next = next
      const whole = records.filter(({ unreadable }) => unreadable === undefined)
      if (whole.length === 0 || stopped) return
      onMessages(whole.map((record) => toMessage(record, { topic, partition, offset: record.offset, at: record.at }, false)))
    },
    onOutOfRange(source) {
      source.next = 0
    },
    onGone: async () => {},
    onAnswer: () => {},
    states: { trouble: nothing, forbidden: nothing },
  })
  try {
    await client.connect()
  } catch (thrown) {
    await client.close()
    throw thrown
  }
  fetcher.start()
  return {
    async stop() {
      stopped = true
      fetcher.stop()
      await client.close(0)
      await fetcher.ended()
    },
  }
}
