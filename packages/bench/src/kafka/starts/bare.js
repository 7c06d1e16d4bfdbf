// The same by hand.
import { Kafka, logLevel } from 'kafkajs'

const [url, topic] = process.argv.slice(2)
const consumer = new Kafka({ brokers: [url], logLevel: logLevel.NOTHING }).consumer({ groupId: 'bench', maxWaitTimeInMs: 300 })
process.once('message', () => consumer.disconnect().then(() => process.disconnect()))
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
await consumer.run({
  eachMessage: async ({ message }) => {
    JSON.parse(message.value.toString())
    process.send('handled')
  },
})
