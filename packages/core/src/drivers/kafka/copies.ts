import type { Clock, Settlement } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { copyOf, letterForOthers, letterOf } from './copy.ts'
import { placeFor } from './delays.ts'
import type { Receipt } from './group/line.ts'
import type { Names } from './names.ts'
import type { RecordOut } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'
import type { Topology } from './topology.ts'
import { type Origin, OURS } from './wire.ts'

/** The partitions of what comes back from a topic that this member reads. */
export type Ours = (topic: string) => ReadonlySet<number>

export interface CopiesOptions {
  readonly names: Names
  readonly topology: Topology
  readonly publisher: Publisher
  readonly clock: Clock
}

/** Stores copies of what a group was given where that group, and no other, finds them. Each resolves when it is stored. */
export class Copies {
  readonly #options: CopiesOptions

  constructor(options: CopiesOptions) {
    this.#options = options
  }

  /** @throws why it is not stored */
  async settle(settlement: Exclude<Settlement, { kind: 'ack' }>, receipt: Receipt, group: string, ours: Ours): Promise<void> {
    const { names, topology, publisher, clock } = this.#options
    const { record, origin } = receipt
    const { headers } = settlement
    const declared = topology.group(origin.topic, group)
    switch (settlement.kind) {
      case 'retry': {
        const copy = copyOf({ record, origin, headers })
        const place = settlement.afterMs > 0 ? placeFor(declared?.delays ?? [], settlement.afterMs) : undefined
        if (place === undefined) return this.again(origin, group, copy)
        const to = settlement.elsewhere && String(await this.#elsewhere(origin, group, ours(origin.topic)))
        const delayed = { ...copy, headers: { ...copy.headers, [OURS.delay]: String(settlement.afterMs), ...(to && { [OURS.to]: to }) } }
        await publisher.store(names.delay(group, place), 0, delayed)
        return
      }
      case 'deadLetter': {
        if (declared?.to !== undefined) {
          const letter = letterForOthers({ record, origin, headers, keeps: settlement.keeps })
          const [partition = 0] = publisher.partitions(await publisher.count(declared.to), [letter.key])
          await publisher.store(declared.to, partition, letter)
          return
        }
        const place = declared?.place
        if (!place) throw new CorebusError('NO_PLACE', `group ${group} on topic ${origin.topic} declared no dead letters, and has one`)
        const at = clock.now()
        const burial = { topic: origin.topic, group, at, ...(place.ttlMs !== undefined && { until: at + place.ttlMs }) }
        await publisher.store(
          names.place(place.name),
          0,
          letterOf(copyOf({ record, origin, headers, keeps: settlement.keeps }), burial, origin),
        )
      }
    }
  }

  /** Any partition that this member does not read, while there is one. */
  async #elsewhere({ topic, partition }: Origin, group: string, ours: ReadonlySet<number>): Promise<number> {
    const count = await this.#options.publisher.count(this.#options.names.again(topic, group))
    const others = Array.from({ length: count }, (_, n) => n).filter((n) => !ours.has(n))
    return others[Math.floor(Math.random() * others.length)] ?? partition % count
  }

  /** Now, in the same partition as the original unless it is for another member: whoever has its key has this. */
  async again({ topic, partition }: Pick<Origin, 'topic' | 'partition'>, group: string, copy: RecordOut): Promise<void> {
    const { names, publisher } = this.#options
    const to = names.again(topic, group)
    const count = await publisher.count(to)
    await publisher.store(to, partition % count, copy)
  }
}
