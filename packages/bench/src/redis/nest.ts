import { randomUUID } from 'node:crypto'
import { NestFactory } from '@nestjs/core'
import { ClientRedis, type RedisOptions, Transport } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'
import { Handled, publishAll } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { application } from '../nest.ts'
import { order } from '../payload.ts'
import type { Load, PublishLoad } from './bare.ts'
import { onClient } from './room.ts'

/** Its channels are Redis's pub/sub: nothing is stored, acknowledged or seen by who is away. */
const LOSSY = 'lossy pub/sub'

const optionsOf = (url: string): NonNullable<RedisOptions['options']> => {
  const { hostname: host, port } = new URL(url)
  return { host, port: Number(port) }
}

async function emitting(
  url: string,
  work: (emit: (pattern: string, data: unknown) => Promise<unknown>) => Promise<number>,
): Promise<number> {
  const client = new ClientRedis(optionsOf(url))
  await client.connect()
  const ms = await work((pattern, data) => lastValueFrom(client.emit(pattern, data), { defaultValue: undefined }))
  await client.close()
  return ms
}

async function listening<T>(url: string, pattern: string, handled: Handled, work: () => Promise<T>): Promise<T> {
  const app = await NestFactory.createMicroservice(application({ pattern, handled }), {
    transport: Transport.REDIS,
    options: optionsOf(url),
    logger: false,
  })
  await app.listen()
  const result = await work()
  await app.close()
  return result
}

/** Resolves when Redis has handed it to whoever listens, which here is nobody. */
export function nestPublishing({ url, bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: `NestJS ClientRedis.emit, ${LOSSY}`,
    run: () => emitting(url, (emit) => publishAll(count, inFlight, (n) => emit('bench', order(bytes, n)))),
  }
}

/** There is no backlog: Redis hands out all of it at once, as one transaction, and the socket holds what is not read yet. */
export function nestConsuming({ url, bytes, count }: Load): Contestant {
  return {
    name: `NestJS @EventPattern, ${LOSSY}`,
    run: () => {
      const pattern = `bench-${randomUUID()}`
      const handled = new Handled(count)
      return listening(url, pattern, handled, () =>
        onClient(url, async (client) => {
          await client.configSet('client-output-buffer-limit', 'pubsub 0 0 0')
          const all = client.multi()
          for (let n = 0; n < count; n++) all.publish(pattern, JSON.stringify({ pattern, data: order(bytes, n) }))
          await all.exec()
          return handled.all
        }),
      )
    },
  }
}

/** Publisher and handler in one process, from the first call to the last message handled. */
export function nestThrough({ url, bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: `NestJS emit to @EventPattern, ${LOSSY}`,
    run: () => {
      const pattern = `bench-${randomUUID()}`
      const handled = new Handled(count)
      return listening(url, pattern, handled, () =>
        emitting(url, async (emit) => {
          const startedAt = performance.now()
          await publishAll(count, inFlight, (n) => emit(pattern, order(bytes, n)))
          await handled.all
          return performance.now() - startedAt
        }),
      )
    },
  }
}
