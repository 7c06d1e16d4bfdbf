import { NestFactory } from '@nestjs/core'
import { ClientKafka, type KafkaOptions, Transport } from '@nestjs/microservices'
import { logLevel, Partitioners } from 'kafkajs'
import { lastValueFrom } from 'rxjs'
import { GROUP } from '../corebus.ts'
import { Handled, type Load, type PublishLoad, publishAll } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { application } from '../nest.ts'
import { order } from '../payload.ts'
import { preload } from './bare.ts'
import { inTopic, type Place } from './room.ts'

/** `emit` resolves when all replicas have the message, as ours. Every message is a request of its own. */
export function nestPublishing(place: Place, { bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'NestJS ClientKafka.emit',
    messages: count,
    run: () =>
      inTopic(
        place,
        async (topic) => {
          const client = new ClientKafka({
            client: { brokers: [place.url], logLevel: logLevel.NOTHING },
            producer: { createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false },
            producerOnlyMode: true,
          })
          await client.connect()
          const ms = await publishAll(count, inFlight, (n) => lastValueFrom(client.emit(topic, { key: String(n), value: order(bytes, n) })))
          await client.close()
          return ms
        },
        count,
      ),
  }
}

/** Partitions beside each other. Its client commits when a batch is through; an error in a handler stops the partition until it passes. */
export function nestConsuming(place: Place, load: Load): Contestant {
  return {
    name: 'NestJS @EventPattern, all partitions at once',
    messages: load.count,
    run: () =>
      inTopic(place, async (topic) => {
        await preload(place, topic, load)
        const handled = new Handled(load.count)
        const options: KafkaOptions['options'] = {
          client: { brokers: [place.url], logLevel: logLevel.NOTHING },
          consumer: { groupId: GROUP, maxWaitTimeInMs: 300 },
          postfixId: '',
          subscribe: { fromBeginning: true },
          run: { partitionsConsumedConcurrently: place.partitions },
        }
        const app = await NestFactory.createMicroservice(application({ pattern: topic, handled }), {
          transport: Transport.KAFKA,
          options,
          logger: false,
        })
        await app.listen()
        const ms = await handled.all
        await app.close()
        return ms
      }),
  }
}
