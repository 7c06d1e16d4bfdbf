import type { Delivery, Driver, Properties, Raw } from '../driver.ts'
import { decodeJson, textOf } from '../wire/envelope.ts'
import type { Incoming } from '../wire/foreign-envelope.ts'

const NONE: Readonly<Record<string, never>> = Object.freeze(Object.create(null))

/** A delivery as its broker has it; of a driver that cannot say it, as its message has it. */
export function rawOf(driver: Pick<Driver, 'raw'> | undefined, delivery: Delivery): Raw {
  if (driver?.raw) return driver.raw(delivery)
  const { key, headers } = delivery.message
  const bytes: Record<string, Uint8Array> = Object.create(null)
  for (const name in headers) bytes[name] = Buffer.from(headers[name] as string)
  return { headers: bytes, ...(key !== undefined && { key: Buffer.from(key) }) }
}

/**
 * What decoders and envelopes read of a delivery. The driver is asked when something beside the body is wanted. Whatever is handed out is a copy: the
 * driver makes retries and dead letters of its own bytes, and a broker in this process hands them to other groups.
 */
export class Received implements Incoming {
  readonly #delivery: Delivery
  readonly #driver: Pick<Driver, 'raw'> | undefined
  #raw: Raw | undefined
  #body: Uint8Array | undefined

  constructor(delivery: Delivery, driver: Pick<Driver, 'raw'> | undefined) {
    this.#delivery = delivery
    this.#driver = driver
  }

  get #read(): Raw {
    this.#raw ??= rawOf(this.#driver, this.#delivery)
    return this.#raw
  }

  get topic(): string {
    return this.#delivery.message.topic
  }

  get key(): Uint8Array | undefined {
    const { key } = this.#read
    return key && ownBytes(key)
  }

  get headers(): Readonly<Record<string, Uint8Array>> {
    return ownOnes(this.#read.headers)
  }

  get properties(): Properties {
    return this.#read.properties ?? NONE
  }

  get fields(): Readonly<Record<string, Uint8Array>> {
    const { fields } = this.#read
    return fields ? ownOnes(fields) : NONE
  }

  get routingKey(): string | undefined {
    return this.#read.routingKey
  }

  get body(): Uint8Array {
    this.#body ??= ownBytes(this.#delivery.message.body)
    return this.#body
  }

  /** Each may be taken out of the message and called by itself. */
  get json(): () => unknown {
    return () => decodeJson(this.#delivery.message.body)
  }

  get text(): () => string {
    return () => textOf(this.#delivery.message.body, 'the body')
  }

  get header(): (name: string) => string | undefined {
    return (name) => {
      const { headers } = this.#read
      return Object.hasOwn(headers, name) ? textOf(headers[name] as Uint8Array, `header ${name}`) : undefined
    }
  }
}

export function ownBytes(bytes: Uint8Array): Uint8Array {
  // A Buffer's slice shares its bytes.
  return Buffer.isBuffer(bytes) ? Buffer.from(bytes) : bytes.slice()
}

function ownOnes(all: Readonly<Record<string, Uint8Array>>): Readonly<Record<string, Uint8Array>> {
  const own: Record<string, Uint8Array> = Object.create(null)
  for (const name of Object.keys(all)) own[name] = ownBytes(all[name] as Uint8Array)
  return own
}
