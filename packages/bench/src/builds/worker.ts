// This process is one run of one build. Usage: worker.ts <checkout> <broker> <url> <work> <messages>. It prints how many ms the work took, and how many
// ms of CPU time.
import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Messaging } from '@corebus/core'
import pino from 'pino'
import { Handled, publishAll } from '../load.ts'
import { order } from '../payload.ts'

const [checkout = '', broker = '', url = '', work = '', count = ''] = process.argv.slice(2)
const messages = Number(count)
const BYTES = 200

const built = pathToFileURL(resolve(checkout, 'packages/core/dist/index.js')).href
const { createMessaging } = (await import(built)) as typeof import('@corebus/core')
const messaging: Messaging = createMessaging({
  broker: broker as 'redis',
  url,
  service: 'bench',
  logger: pino({ level: 'silent' }),
  env: {},
})
const topic = `builds-${randomUUID()}`
const send = (n: number) => messaging.getProducer().send(topic, order(BYTES, n), { key: n })

let cpu = process.cpuUsage()

/** A group comes first, so that nothing is published to nobody. */
async function publish(inFlight: number): Promise<number> {
  const driver = await messaging.driver()
  const deadLetter = {}
  await driver.ensure({ topics: [topic], groups: [{ group: 'bench', topic, delays: [], deadLetter }] }, 'create')
  await publishAll(Math.ceil(messages / 10), inFlight, send) // warm
  cpu = process.cpuUsage()
  return publishAll(messages, inFlight, send)
}

async function consume(): Promise<number> {
  const handled = new Handled(messages)
  messaging.handle({ topic, group: 'bench' }, () => handled.one())
  const driver = await messaging.driver()
  await driver.ensure({ topics: [topic], groups: [] }, 'create')
  await publishAll(messages, 256, send)
  cpu = process.cpuUsage()
  await messaging.start()
  return handled.all
}

const run: Record<string, () => Promise<number>> = { many: () => publish(256), 'one by one': () => publish(1), consume }
const ms = await run[work]?.()
const { user, system } = process.cpuUsage(cpu)
console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1_000 }))
await messaging.close()
process.exit(0)
