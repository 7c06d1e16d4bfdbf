import { once } from 'node:events'
import { createRequire } from 'node:module'
import net, { type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { loadLibrary, mustBeKnown } from './kafkajs.ts'

await loadLibrary()

interface Connection {
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
  send(asked: object): Promise<unknown>
}

const require = createRequire(import.meta.url)
const Connection: new (options: object) => Connection = require('kafkajs/src/network/connection')
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, namespace: () => silent }
const openSocket = ({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }) =>
  net.connect({ host, port }, onConnect)

/** Each connection is answered as the test says; what it is asked is one request. */
async function aServer(answer: (socket: Socket, nth: number, correlationId: number) => void) {
  let connections = 0
  const server = net.createServer((socket) => {
    const nth = ++connections
    socket.on('error', () => {})
    socket.on('data', (asked) => answer(socket, nth, asked.readInt32BE(8)))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const connection = new Connection({
    host: '127.0.0.1',
    port,
    logger: silent,
    socketFactory: openSocket,
    requestTimeout: 1_000,
    connectionTimeout: 1_000,
  })
  return { connection, close: () => server.close() }
}

const question = {
  request: { apiKey: 18, apiVersion: 0, apiName: 'ApiVersions', encode: async () => ({ buf: Buffer.alloc(0), buffer: Buffer.alloc(0) }) },
  response: { decode: async (raw: Buffer) => raw, parse: async (raw: Buffer) => raw.toString() },
}

function whole(correlationId: number, text: string): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + text.length, 0)
  head.writeInt32BE(correlationId, 4)
  return Buffer.concat([head, Buffer.from(text)])
}

test('half an answer that came before a connection broke is no part of what the next one reads', async () => {
  const { connection, close } = await aServer((socket, nth, id) => {
    if (nth > 1) return socket.write(whole(id, 'of the second'))
    socket.write(whole(id, 'of the first').subarray(0, 11), () => socket.resetAndDestroy())
  })
  await connection.connect()
  await expect(connection.send(question)).rejects.toThrow()
  await connection.connect()
  expect(await connection.send(question)).toBe('of the second')
  await connection.disconnect()
  close()
})

test('what still comes of a connection that was given up is no part of what the next one reads', async () => {
  const late: Socket[] = []
  const { connection, close } = await aServer((socket, nth, id) => {
    if (nth === 1) late.push(socket)
    else setTimeout(() => socket.write(whole(id, 'of the second')), 50)
  })
  await connection.connect()
  await expect(connection.send(question)).rejects.toThrow()
  await connection.disconnect()
  await connection.connect()
  const answer = connection.send(question)
  late[0]?.write(whole(0, 'of the first').subarray(0, 11))
  expect(await answer).toBe('of the second')
  await connection.disconnect()
  close()
  await sleep(0)
})

test('a version that nobody has looked into is refused, and what to install is said', () => {
  expect(() => mustBeKnown({ version: '2.2.5' })).toThrow(
    expect.objectContaining({ code: 'PEER_VERSION', message: expect.stringContaining('npm install kafkajs@2.2.4') }),
  )
  expect(() => mustBeKnown({ version: '2.2.4' })).not.toThrow()
})
