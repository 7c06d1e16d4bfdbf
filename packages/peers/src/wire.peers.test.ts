import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BrokerName, missing } from '@corebus/testbed'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { command, eventually, recorder, service } from './kit.ts'

const ROOT = join(import.meta.dirname, '../../..')
const TOPIC = 'wire'
/** The body that the page shows. */
const BODY = JSON.stringify(JSON.parse(readFileSync(join(ROOT, 'examples/how-to/user-created.json'), 'utf8')))
const { rabbitmq, kafka, redis } = inject('brokers')

const PYTHON = '/usr/bin/python3'
const pika = spawnSync(PYTHON, ['-c', 'import pika']).status === 0 || missing('pika', 'apt-get install -y python3-pika')

/** What the table of the page says that each is to be given. */
const CLIENTS: Readonly<Record<BrokerName, { readonly here: unknown; readonly publish: () => void }>> = {
  rabbitmq: {
    here: rabbitmq && pika,
    publish: () => void command(PYTHON, [join(import.meta.dirname, '../python/wire.py'), rabbitmq ?? '', TOPIC, BODY]),
  },
  kafka: {
    here: kafka,
    publish() {
      const headers = ['-H', 'corebus-id=id-1', '-H', 'tenant=acme']
      command('kcat', ['-b', kafka ?? '', '-P', '-t', TOPIC, '-K', '|', ...headers], `ana|${BODY}`)
    },
  },
  redis: {
    here: redis,
    publish() {
      const fields = ['body', BODY, 'corebus-id', 'id-1', 'corebus-key', 'ana', 'h:tenant', 'acme']
      command('redis-cli', ['-u', redis ?? '', 'XADD', TOPIC, '*', ...fields])
    },
  },
}

describe.each(Object.keys(CLIENTS) as BrokerName[])('the wire format in short, on %s', (broker) => {
  const { here, publish } = CLIENTS[broker]
  test.skipIf(!here)('an event by a client in another language has its id, its key and its headers', async () => {
    const messaging = service(broker, 'wire')
    onTestFinished(() => messaging.close())
    const seen = recorder()
    messaging.on('user.created', { topic: TOPIC }, seen.handler)
    await messaging.start()
    publish()
    await eventually(seen.messages).toEqual([JSON.parse(BODY)])
    const { context } = seen.handled[0] ?? {}
    expect([context?.id, context?.key, context?.headers.tenant]).toEqual(['id-1', 'ana', 'acme'])
  })
})
