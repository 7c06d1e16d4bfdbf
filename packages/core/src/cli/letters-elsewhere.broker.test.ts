import { broker } from '@corebus/testbed'
import { createClient } from 'redis'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { makeProject } from '../../test/project.ts'
import { newId } from '../wire/id.ts'

const running = await broker('redis')
afterAll(() => running?.stop())
const url = running?.url ?? ''

const GIVING_UP = `
import { createMessaging } from '@corebus/core'
const [topic, stream] = process.argv.slice(2)
const dead = Promise.withResolvers()
const messaging = createMessaging({ onDeadLetter: () => dead.resolve() })
messaging.handle({ topic, group: 'billing', decode: 'text', maxRetries: 0, deadLetter: { to: { stream } } }, () => {
  throw new Error('card declined')
})
await messaging.start()
await messaging.getProducer().send(topic, 1)
await dead.promise
await messaging.close()
`

describe.skipIf(!running)('letters that lie with others', () => {
  test('are counted nowhere, and every command says where to look for them', async () => {
    const client = createClient({ url })
    client.on('error', () => {})
    await client.connect()
    onTestFinished(() => client.destroy())
    const [topic, stream] = [`t-${newId()}`, `shop:dead:${newId()}`]
    await client.xGroupCreate(stream, 'theirs', '0', { MKSTREAM: true })
    const project = makeProject({ 'giving-up.js': GIVING_UP })
    const env = { MESSAGING_BROKER: 'redis', REDIS_URL: url, LOG_LEVEL: 'silent' }
    expect(await project.node(['giving-up.js', topic, stream], { env })).toMatchObject({ code: 0 })
    expect(await client.xLen(stream)).toBe(1)

    const core = (...args: readonly string[]) => project.core(args, { env })
    const [list, json, retry, purge, exported, topics, rows] = await Promise.all([
      core('dlq', 'list', '--topic', topic, '--group', 'billing'),
      core('dlq', 'list', '--topic', topic, '--json'),
      core('dlq', 'retry', '--topic', topic),
      core('dlq', 'purge', '--topic', topic, '--yes'),
      core('dlq', 'export', '--topic', topic),
      core('topics', '--topic', topic),
      core('topics', '--topic', topic, '--json'),
    ])
    const line = `the dead letters of group billing on topic ${topic} go to the stream ${stream}, which belongs to others: look for them there`
    expect([list, retry, purge].map(({ code, stdout }) => [code, stdout])).toEqual([
      [0, `${line}\n`],
      [0, `${line}\n`],
      [0, `${line}\n`],
    ])
    expect([json.code, JSON.parse(json.stdout)]).toEqual([0, { letters: [] }])
    for (const { stderr } of [json, exported]) expect(stderr).toContain(line)
    expect(topics.stdout).toContain(line)
    expect(JSON.parse(rows.stdout)).toMatchObject([{ topic, group: 'billing', dead: 0, lettersTo: { stream } }])
    expect(await client.xLen(stream)).toBe(1)
  }, 60_000)
})
