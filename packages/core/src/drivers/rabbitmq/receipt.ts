import type { Linked } from '../../collections/linked-list.ts'
import type { Delivery, Message } from '../../driver.ts'
import type { Reader } from './reader.ts'
import { fromAmqp, type Raw } from './wire.ts'

/** One delivery, bound to the channel it came on: on any other its tag means somebody else's message. */
export class Receipt implements Linked {
  readonly reader: Reader
  readonly tag: number
  readonly raw: Raw
  /** Another one when it is handed out again without the broker. */
  delivery: Delivery
  state: 'out' | 'settling' | 'settled' | 'lost' = 'out'
  /** The core has not seen it. */
  hidden = true
  previous: Linked | undefined = undefined
  next: Linked | undefined = undefined

  constructor(reader: Reader, raw: Raw, unsettledBefore: number) {
    this.reader = reader
    this.tag = raw.fields.deliveryTag
    this.raw = raw
    this.delivery = {
      message: fromAmqp(raw, reader.topic),
      unsettledBefore,
      original: reader.isOriginal(raw),
      receipt: this,
    }
  }

  /** The same message, as a copy with these headers would come. */
  again(headers: Message['headers']): Delivery {
    const { message, unsettledBefore } = this.delivery
    this.delivery = {
      message: { ...message, headers: { ...message.headers, ...headers } },
      unsettledBefore,
      original: false,
      receipt: this,
    }
    this.state = 'out'
    return this.delivery
  }
}
