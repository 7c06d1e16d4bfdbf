// The same by hand.
import { connect } from 'amqplib'

const [url, queue] = process.argv.slice(2)
const connection = await connect(url, { noDelay: true })
const channel = await connection.createChannel()
process.once('message', () => connection.close().then(() => process.disconnect()))
await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
await channel.prefetch(200)
await channel.consume(queue, (message) => {
  JSON.parse(message.content.toString())
  process.send('handled')
  channel.ack(message)
})
