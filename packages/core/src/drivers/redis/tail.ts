import { type Clock, sleep } from '../../clock.ts'
import type { Message } from '../../driver.ts'
import { asError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import type { Tail } from '../readers.ts'
import type { Address } from './address.ts'
import { isElsewhere } from './failure.ts'
import { Link } from './link.ts'
import { listOf, type Nodes } from './nodes.ts'
import { fromEntry } from './wire.ts'

export interface TailOptions {
  readonly topic: string
  readonly stream: string
  readonly from: 'now' | 'earliest'
  readonly onMessages: (messages: readonly Message[]) => void
  readonly address: Address
  readonly nodes: Nodes
  readonly clock: Clock
  readonly signal: AbortSignal
}

const BLOCK_MS = 2_000
const MOST_AT_ONCE = 200

/** Watches a stream without a group, on a connection of its own; after a lost one it goes on where it was. */
export async function openTail({ topic, stream, from, onMessages, address, nodes, clock, signal }: TailOptions): Promise<Tail> {
  const stopping = new AbortController()
  const waitMs = backOff()
  let last = from === 'earliest' ? '0-0' : await nodes.insist(newest, signal)
  let link = newLink()
  const running = run()

  function newLink(): Link {
    const made = new Link({ address, node: nodes.of(stream).node, clock, onUp: () => {}, onDown: () => {} })
    made.start()
    return made
  }

  async function newest(): Promise<string> {
    const [found] = listOf(await nodes.send(stream, ['XREVRANGE', stream, '+', '-', 'COUNT', '1']))
    return String(listOf(found)[0] ?? '0-0')
  }

  async function run(): Promise<void> {
    for (let n = 1; !stopping.signal.aborted; ) {
      try {
        if (!(await link.up(BLOCK_MS, stopping.signal))) continue
        const args = ['XREAD', 'COUNT', String(MOST_AT_ONCE), 'BLOCK', String(BLOCK_MS), 'STREAMS', stream, last]
        const [ofStream] = listOf(await link.send(args, true))
        const entries = listOf(listOf(ofStream)[1]).map((one) => {
          const [id, fields] = listOf(one)
          return { id: String(id), fields: listOf(fields) as readonly Buffer[] } // asked for as bytes
        })
        n = 1
        last = entries.at(-1)?.id ?? last
        if (entries.length > 0 && !stopping.signal.aborted) onMessages(entries.map((entry) => fromEntry(entry, topic, stream)))
      } catch (thrown) {
        const error = asError(thrown)
        if (isElsewhere(error)) {
          nodes.noteFailure(nodes.of(stream), error)
          await link.close()
          if (!stopping.signal.aborted) link = newLink()
        }
        // Until it works: a watcher has nobody to tell.
        await sleep(clock, waitMs(n++), stopping.signal)
      }
    }
  }

  return {
    async stop() {
      stopping.abort()
      await link.close()
      await running
    },
  }
}
