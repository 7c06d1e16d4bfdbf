// A consumer in a process of its own. Tells its parent when a message is handled, how much CPU it used while idle, and how large its heap is.
import { createMessaging } from '@corebus/core'
import pino from 'pino'

const [broker = '', url = ''] = process.argv.slice(2)
if (broker !== 'sqlite' && broker !== 'rabbitmq' && broker !== 'kafka' && broker !== 'redis') throw new Error(`no consumer on ${broker}`)
const messaging = createMessaging({ broker, url, service: 'bench', logger: pino({ level: 'silent' }), env: {} })

const tell = (message: object): void => {
  process.send?.(message)
}

messaging.handle({ topic: 'latency', group: 'bench' }, (message: { at: number }) => {
  tell({ kind: 'handled', latencyMs: performance.timeOrigin + performance.now() - message.at })
})

const HEAP_AT = [100_000, 500_000]
let handled = 0
messaging.handle({ topic: 'heap', group: 'bench' }, () => {
  if (!HEAP_AT.includes(++handled)) return
  globalThis.gc?.()
  globalThis.gc?.()
  tell({ kind: 'heap', handled, bytes: process.memoryUsage().heapUsed })
})

process.on('message', (asked: { kind: string; forMs: number }) => {
  if (asked.kind === 'close') void messaging.close().then(() => process.disconnect())
  if (asked.kind !== 'cpu') return
  const before = process.cpuUsage()
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before)
    tell({ kind: 'cpu', share: (user + system) / 1_000 / asked.forMs })
  }, asked.forMs)
})

await messaging.start()
tell({ kind: 'ready' })
