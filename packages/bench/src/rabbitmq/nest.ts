import { setTimeout as sleep } from 'node:timers/promises'
import { NestFactory } from '@nestjs/core'
import { ClientRMQ, type RmqContext, Transport } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'
import { Handled, publishAll } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { application } from '../nest.ts'
import { order } from '../payload.ts'
import { type Load, type PublishLoad, preload } from './bare.ts'
import { inQueue, QUORUM } from './room.ts'

const PATTERN = 'order.created'
const PREFETCH = 200
/** Of many single acknowledgements the broker forgets some when the connection is closed right after them. */
const HEARD_WITHIN_MS = 500

/** Its client's channel confirms; persistent is not its default. */
export function nestPublishing({ url, bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'NestJS ClientRMQ.emit',
    run: () =>
      inQueue(
        url,
        async (queue) => {
          const client = new ClientRMQ({ urls: [url], queue, queueOptions: QUORUM, persistent: true })
          await client.connect()
          const ms = await publishAll(count, inFlight, (n) =>
            lastValueFrom(client.emit(PATTERN, order(bytes, n)), { defaultValue: undefined }),
          )
          await client.close()
          return ms
        },
        count,
      ),
  }
}

export function nestConsuming({ url, bytes, count }: Load): Contestant {
  return {
    name: `NestJS @EventPattern, prefetch ${PREFETCH}, ack in the handler`,
    run: () =>
      inQueue(url, async (queue) => {
        await preload(url, queue, count, (n) => Buffer.from(JSON.stringify({ pattern: PATTERN, data: order(bytes, n) })))
        const handled = new Handled(count)
        const acknowledge = (context: RmqContext) => context.getChannelRef().ack(context.getMessage())
        const options = { urls: [url], queue, queueOptions: QUORUM, noAck: false, prefetchCount: PREFETCH }
        const app = await NestFactory.createMicroservice(application({ pattern: PATTERN, handled, acknowledge }), {
          transport: Transport.RMQ,
          options,
          logger: false,
        })
        await app.listen()
        const ms = await handled.all
        await sleep(HEARD_WITHIN_MS)
        await app.close()
        return ms
      }),
  }
}
