import { connect } from 'node:net'

const WITHIN_MS = 2_000
const CORRELATION = 7

/** ApiVersions, version 0, from nobody: the one question that every Kafka answers before anything else. */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, CORRELATION, 0xff, 0xff])

/** Whether a Kafka answers at `host:port`. Asked by hand: the client warns about its own timers on the console of whoever uses it. */
export function kafkaAnswers(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`kafka://${address}`)
  return new Promise((resolve) => {
    let said = Buffer.alloc(0)
    const socket = connect({ host: hostname, port: Number(port || 9092), timeout: WITHIN_MS })
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.on('connect', () => socket.write(QUESTION))
    socket.on('data', (data) => {
      said = Buffer.concat([said, data])
      if (said.length >= 10) end(said.readInt32BE(4) === CORRELATION && said.readInt16BE(8) === 0)
    })
    for (const event of ['timeout', 'error', 'close']) socket.on(event, () => end(false))
  })
}
