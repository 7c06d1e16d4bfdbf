import { type Declarer, handedBackQueue } from './declare.ts'
import type { Publisher } from './publisher.ts'
import type { Receipt } from './receipt.ts'
import { idOf, type Raw } from './wire.ts'

export interface HandedBackOptions {
  readonly queue: string
  readonly declarer: Declarer
  readonly publisher: Publisher
  readonly mayCreate: () => boolean
}

/**
 * How often a member of an exclusive group gave a message back, by id. Such a group keeps its order, so its messages go back by the broker,
 * to the head of the queue, and not as copies to its end; the broker counts that, and this takes it off again. Kept in a queue of one
 * message, as only one member is there at a time.
 */
export class HandedBack {
  readonly #options: HandedBackOptions
  #times = new Map<string, number>()
  /** Of those in the record. */
  readonly #seen = new Set<string>()

  constructor(options: HandedBackOptions) {
    this.#options = options
  }

  async load(): Promise<void> {
    const { declarer, queue } = this.#options
    if ((await declarer.count(queue)) === undefined) return
    // Not acknowledged: it stays for the next.
    const record = await declarer.read((channel) => channel.get(queue))
    if (record) this.#times = parsed(record.content)
  }

  /** What the broker has counted, without what was handed back. */
  less(raw: Raw, counted: number): number {
    const id = idOf(raw.properties) ?? ''
    const times = this.#times.get(id)
    if (times === undefined) return counted
    this.#seen.add(id)
    // A copy of it is counted anew.
    if (counted < times) this.#times.delete(id)
    return Math.max(counted - times, 0)
  }

  /** Written before the broker takes them back: it may not be counted twice, and may be forgiven once too often. */
  async store(held: readonly Receipt[]): Promise<void> {
    const { declarer, publisher, queue, mayCreate } = this.#options
    if (held.length === 0 || !mayCreate()) return
    const times = new Map([...this.#times].filter(([id]) => !this.#seen.has(id)))
    for (const { raw } of held) {
      const id = idOf(raw.properties)
      if (id !== undefined) times.set(id, (this.#times.get(id) ?? 0) + 1)
    }
    const remake = () => declarer.run(async (channel) => void (await channel.assertQueue(queue, handedBackQueue)))
    await remake()
    const whyRefused = async () => new Error(`RabbitMQ refused what was published to ${queue}`)
    await publisher.store(
      { exchange: '', routingKey: queue, remake, whyRefused },
      { body: Buffer.from(JSON.stringify([...times])), properties: { mandatory: true, contentType: 'application/json' } },
    )
  }
}

function parsed(body: Buffer): Map<string, number> {
  const pairs: unknown = JSON.parse(body.toString('utf8'))
  const times = new Map<string, number>()
  if (Array.isArray(pairs)) for (const [id, n] of pairs) if (typeof id === 'string' && typeof n === 'number') times.set(id, n)
  return times
}
