// docker-compose.yaml cannot be run here: no engine. What it gives its RabbitMQ is given to the one that is installed.
import { readFileSync } from 'node:fs'
import { freePort, startRabbitmq } from '@corebus/testbed'
import { connect } from 'amqplib'
import { afterAll, describe, expect, test } from 'vitest'
import { composeFile, mountedFiles, type Service } from './compose.ts'

const service = composeFile().services.rabbitmq as Service // without it everything here fails
const consolePort = await freePort()
const running = await startRabbitmq({ config: configOf(service, consolePort), plugins: ['rabbitmq_management'] })
afterAll(() => running?.stop())

/** The lines of the files it mounts into conf.d, with the paths of this machine. */
function configOf(of: Service, managementPort: number): readonly string[] {
  const files = mountedFiles(of)
  const lines = [...files].filter(([to]) => to.includes('/conf.d/')).flatMap(([, from]) => readFileSync(from, 'utf8').split('\n'))
  const here = lines.map((line) => [...files].reduce((text, [to, from]) => text.replace(to, from), line))
  return [...here, 'management.tcp.ip = 127.0.0.1', `management.tcp.port = ${managementPort}`]
}

// RabbitMQ's own commands take seconds where the machine is busy.
describe.skipIf(!running)('the RabbitMQ of docker-compose.yaml', { timeout: 120_000 }, () => {
  const { host } = new URL(running?.url ?? 'amqp://none')

  test.each(['guest', 'admin'])('knows %s from its definitions, who may do everything', async (user) => {
    const connection = await connect(`amqp://${user}:${user}@${host}/`)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue(`of-${user}`, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    channel.sendToQueue(`of-${user}`, Buffer.from('1'))
    await channel.waitForConfirms()
    expect(await channel.get(`of-${user}`, { noAck: true })).toMatchObject({ content: Buffer.from('1') })
    await connection.close()
    await expect(connect(`amqp://${user}:wrong@${host}/`)).rejects.toThrow('ACCESS_REFUSED')
  })

  test.each(['guest', 'admin'])('lets %s into the console as an administrator', async (user) => {
    const whoAmI = (password: string) =>
      fetch(`http://127.0.0.1:${consolePort}/api/whoami`, { headers: { authorization: `Basic ${btoa(`${user}:${password}`)}` } })
    expect((await whoAmI('wrong')).status).toBe(401)
    const answer = await whoAmI(user)
    expect([answer.status, await answer.json()]).toEqual([200, expect.objectContaining({ name: user, tags: ['administrator'] })])
  })

  test('knows nobody else', async () => {
    const users = await running?.ctl('list_users', '--formatter', 'json')
    expect(JSON.parse(users ?? '[]').map(({ user }: { user: string }) => user)).toEqual(expect.arrayContaining(['guest', 'admin']))
    expect(JSON.parse(users ?? '[]')).toHaveLength(2)
  })

  test('is healthy by its own check while it can be reached, and not when its application is stopped', async () => {
    const [kind, command = '', ...args] = service.healthcheck?.test ?? []
    expect(kind).toBe('CMD')
    await running?.command(command, ...args)
    await running?.ctl('stop_app')
    await expect(running?.command(command, ...args)).rejects.toThrow()
    await running?.ctl('start_app')
    await running?.command(command, ...args)
  })
})
