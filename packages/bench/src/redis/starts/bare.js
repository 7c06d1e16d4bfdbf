// The same by hand.
import { createClient } from 'redis'

const [url, stream] = process.argv.slice(2)
const client = createClient({ url, RESP: 2 })
await client.connect()
process.once('message', () => client.close().then(() => process.disconnect()))
const [[, entries]] = await client.sendCommand(['XREADGROUP', 'GROUP', 'bench', 'one', 'COUNT', '200', 'STREAMS', stream, '>'])
for (const [, [, body]] of entries) {
  JSON.parse(body)
  process.send('handled')
}
await client.sendCommand(['XACK', stream, 'bench', ...entries.map(([id]) => id)])
