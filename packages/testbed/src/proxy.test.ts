import { once } from 'node:events'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ChaosProxy, chaosProxy } from './proxy.ts'

/** A server that sends back what it gets, and remembers how its connections ended. */
let echo: Server
let proxy: ChaosProxy
let served: Socket[]
let endings: string[]
const clients: Socket[] = []

beforeEach(async () => {
  served = []
  endings = []
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(socket)
    socket.on('error', (error) => endings.push('code' in error ? String(error.code) : error.message))
    socket.on('end', () => endings.push('end'))
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const address = echo.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  proxy = await chaosProxy({ port: address.port })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await proxy.close()
  for (const socket of served) socket.destroy()
  echo.close()
})

interface Client {
  readonly socket: Socket
  received: string
  ended: string | undefined
}

async function client(): Promise<Client> {
  const socket = dial({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
  clients.push(socket)
  const made: Client = { socket, received: '', ended: undefined }
  socket.on('data', (bytes) => {
    made.received += bytes
  })
  socket.on('error', (error) => {
    made.ended = 'code' in error ? String(error.code) : error.message
  })
  socket.on('end', () => {
    made.ended ??= 'end'
  })
  await once(socket, 'connect')
  return made
}

const until = (happened: () => boolean) => expect.poll(happened, { interval: 2, timeout: 5_000 }).toBe(true)
const quiet = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Connected through, and in use. */
async function used(): Promise<Client> {
  const made = await client()
  made.socket.write('hello ')
  await until(() => made.received === 'hello ')
  return made
}

test('passes everything both ways unchanged, and an end as an end', async () => {
  const one = await client()
  const text = 'x'.repeat(1_000_000)
  one.socket.end(text)
  await until(() => one.ended === 'end')
  expect(one.received.length).toBe(text.length)
  expect(one.received === text).toBe(true)
  await until(() => endings.includes('end'))
  await until(() => proxy.connections === 0)
})

test('takes the place of a broker in its address', () => {
  expect(proxy.through('amqp://guest:guest@broker:5672/%2F?heartbeat=5')).toBe(`amqp://guest:guest@127.0.0.1:${proxy.port}/%2F?heartbeat=5`)
})

test('cut resets both sides of a connection in use, and new ones work', async () => {
  const one = await used()
  proxy.cut()
  await until(() => one.ended === 'ECONNRESET' && endings.includes('ECONNRESET'))
  await used()
})

test('cut after so many bytes passes exactly those', async () => {
  const one = await used()
  proxy.cutAfter(10, 'down')
  one.socket.write('0123456789ABCDEF')
  await until(() => one.ended === 'ECONNRESET' && endings.includes('ECONNRESET'))
  expect(one.received).toBe('hello 0123456789')
})

test('what vanished stays open on both sides and answers nothing, and new connections work', async () => {
  const one = await used()
  proxy.vanish()
  one.socket.write('lost')
  served[0]?.write('lost too')
  await used()
  await quiet(100)
  expect([one.received, one.ended, endings]).toEqual(['hello ', undefined, []])
})

test('frozen, nothing passes in that direction, on old and new connections; thawed, all of it does', async () => {
  const one = await used()
  proxy.freeze('down')
  one.socket.write('late')
  const other = await client()
  other.socket.write('late')
  await quiet(100)
  expect([one.received, other.received]).toEqual(['hello ', ''])
  proxy.thaw()
  await until(() => one.received === 'hello late' && other.received === 'late')
})

test('a frozen line holds up its sender instead of swallowing without end', async () => {
  const one = await used()
  proxy.freeze('up')
  const written = 24 * 1024 * 1024
  one.socket.write(Buffer.alloc(written, 'x'))
  await quiet(200)
  expect(one.socket.writableLength).toBeGreaterThan(written / 2)
  proxy.thaw()
  await until(() => one.received.length === written + 6)
})

test('slow comes later, and at most so much in a second', async () => {
  const one = await used()
  proxy.slow({ latencyMs: 150, direction: 'down' })
  const before = performance.now()
  one.socket.write('late')
  await until(() => one.received === 'hello late')
  expect(performance.now() - before).toBeGreaterThan(140)

  proxy.slow({ bytesPerSecond: 100_000, direction: 'down' })
  const start = performance.now()
  one.socket.write('y'.repeat(40_000))
  await until(() => one.received.length >= 40_010)
  expect(performance.now() - start).toBeGreaterThan(350)
  proxy.fast()
})

test('refuses new connections and leaves the old ones alone, until it accepts again', async () => {
  const one = await used()
  await proxy.refuse()
  await expect(client()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  one.socket.write('still here')
  await until(() => one.received === 'hello still here')
  await proxy.accept()
  await used()
})

test('cut in the very moment in which a connection ends, it does not stay', async () => {
  const one = await used()
  proxy.freeze('up')
  one.socket.end('bye')
  await quiet(50)
  proxy.thaw()
  proxy.cut()
  await until(() => proxy.connections === 0)
})
