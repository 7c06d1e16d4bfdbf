import type { Clock, Settlement } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { copyOf, letterOf } from './copy.ts'
import { placeFor } from './delays.ts'
import type { Receipt } from './group/line.ts'
import type { Names } from './names.ts'
import type { RecordOut } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'
import type { Topology } from './topology.ts'
import { type Origin, OURS } from './wire.ts'

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
  async settle(settlement: Exclude<Settlement, { kind: 'ack' }>, receipt: Receipt, group: string): Promise<void> {
    const { names, topology, publisher, clock } = this.#options
    const { record, origin } = receipt
    const { headers } = settlement
    const declared = topology.group(origin.topic, group)
    switch (settlement.kind) {
      case 'retry': {
        const copy = copyOf({ record, origin, headers })
        const place = settlement.afterMs > 0 ? placeFor(declared?.delays ?? [], settlement.afterMs) : undefined
        if (place === undefined) return this.again(origin, group, copy)
        const delayed = { ...copy, headers: { ...copy.headers, [OURS.delay]: String(settlement.afterMs) } }
        await publisher.store(names.delay(group, place), 0, delayed)
        return
      }
      case 'deadLetter': {
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

  /** Now, in the same partition as the original: whoever has its key has this. */
  async again({ topic, partition }: Origin, group: string, copy: RecordOut): Promise<void> {
    const { names, publisher } = this.#options
    const to = names.again(topic, group)
    const count = await publisher.count(to)
    await publisher.store(to, partition % count, copy)
  }
}
