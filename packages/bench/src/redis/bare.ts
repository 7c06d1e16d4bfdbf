import { GROUP } from '../corebus.ts'
import { Handled, publishAll, type Load as Sized } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { Order, order } from '../payload.ts'
import { AS_BYTES, type Client, inStream, mustHold, onClient, type Raw } from './room.ts'

const COUNT = 200

export interface Load extends Sized {
  readonly url: string
}

export interface PublishLoad extends Load {
  readonly inFlight: number
}

export const bodyOf = (bytes: number, n: number): string => JSON.stringify(order(bytes, n))

/** What one turn of the event loop sends leaves in one packet: node-redis pipelines by itself. */
export const add = (client: Client, stream: string, body: string): Promise<unknown> => client.xAdd(stream, '*', { body })

export function barePublishing({ url, bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'bare node-redis, pipelined XADD',
    run: () =>
      inStream(
        url,
        (stream) => onClient(url, (client) => publishAll(count, inFlight, (n) => add(client, stream, bodyOf(bytes, n)))),
        count,
      ),
  }
}

/** So many bodies on the stream, confirmed. */
export async function preload({ url, bytes, count }: Load, stream: string): Promise<void> {
  await onClient(url, (client) => publishAll(count, 256, (n) => add(client, stream, bodyOf(bytes, n))))
  await mustHold(url, stream, count)
}

/** The next entries that nobody has, or none when a second is over. */
export async function read(client: Client, stream: string): Promise<readonly Raw[]> {
  const command = ['XREADGROUP', 'GROUP', GROUP, 'one', 'COUNT', String(COUNT), 'BLOCK', '1000', 'STREAMS', stream, '>']
  // One stream, its name before its entries.
  const reply = await client.sendCommand<readonly [readonly [Buffer, readonly Raw[]]] | null>(command, AS_BYTES)
  return reply?.[0][1] ?? []
}

/** Until `until` is over: reads, hands on each body, and acknowledges what was read together; the next read goes out with that. */
export async function consumingByHand(url: string, stream: string, handle: (body: Buffer) => void, until: Promise<unknown>): Promise<void> {
  let over = false
  void until.then(() => {
    over = true
  })
  await onClient(url, async (client) => {
    let reading = read(client, stream)
    for (;;) {
      const entries = await reading
      for (const [, [, body]] of entries) if (body) handle(body)
      const acknowledging = entries.length > 0 ? client.sendCommand(['XACK', stream, GROUP, ...entries.map(([id]) => id)]) : undefined
      // `over` is known a turn after the last message was handled.
      await Promise.resolve()
      if (over) return void (await acknowledging)
      reading = read(client, stream)
    }
  })
}

export function bareConsuming(load: Load): Contestant {
  return {
    name: `bare node-redis, COUNT ${COUNT}, one XACK a batch`,
    run: () =>
      inStream(load.url, async (stream) => {
        await preload(load, stream)
        const handled = new Handled(load.count)
        const handle = (body: Buffer) => {
          const { total } = Order.parse(JSON.parse(body.toString()))
          if (total > 0) handled.one()
        }
        const consuming = consumingByHand(load.url, stream, handle, handled.all)
        const ms = await handled.all
        await consuming
        return ms
      }),
  }
}
