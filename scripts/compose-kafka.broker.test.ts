// docker-compose.yaml cannot be run here: no engine. What its Kafka reads is read by the image's own set-up and given to the one that is installed.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, kafkaJars, startKafka } from '@corebus/testbed'
import { Kafka as Client, logLevel } from 'kafkajs'
import { afterAll, describe, expect, test } from 'vitest'
import { composeFile, mountedFiles, type Service } from './compose.ts'

const { kafka, 'kafka-ui': ui } = composeFile().services as Record<'kafka' | 'kafka-ui', Service> // without them everything here fails
const jars = await kafkaJars()
const java = (main: string, ...args: readonly string[]) =>
  promisify(execFile)('java', ['-cp', `${jars}/*`, main, ...args], { env: { ...process.env, CLUSTER_ID: 'MkU3OEVBNTcwNTJENDM2Qk' } })
const mounted = [...mountedFiles(kafka)].find(([to]) => to.endsWith('/server.properties'))?.[1] ?? ''
const written = await readFile(mounted, 'utf8')

/** The same with this machine's ports and folders: what the container has for itself is shared here. */
const ports = { 9092: await freePort(), 19092: await freePort(), 9093: await freePort() } as const
const folder = await mkdtemp(join(tmpdir(), 'corebus-compose-'))
const here = Object.entries(ports)
  .reduce((text, [port, free]) => text.replace(new RegExp(`:${port}\\b`, 'g'), `:${free}`), written)
  .replaceAll('://:', '://127.0.0.1:')
  .replaceAll('://kafka:', '://127.0.0.1:')
  .replace('/var/lib/kafka/data', join(folder, 'data'))

const running = jars && (await startKafka({ config: here.split('\n'), url: `127.0.0.1:${ports[9092]}` }))
afterAll(async () => {
  await (running || undefined)?.stop()
  await rm(folder, { recursive: true, force: true })
})

const nodesAt = async (address: string): Promise<readonly string[]> => {
  const admin = new Client({ brokers: [address], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const { brokers } = await admin.describeCluster()
  await admin.disconnect()
  return brokers.map(({ host, port }) => `${host}:${port}`)
}

describe.skipIf(!running)('the Kafka of docker-compose.yaml', { timeout: 60_000 }, () => {
  test('is set up by its image with the mounted file, line by line', async () => {
    const [defaults, shared, final] = ['defaults', 'shared', 'final'].map((name) => join(folder, name))
    for (const name of [defaults, shared, final]) await mkdir(name as string)
    for (const name of ['server.properties', 'log4j2.yaml', 'tools-log4j2.yaml'])
      await writeFile(join(defaults as string, name), '# of the image\n')
    // It goes on to make the data folder.
    const elsewhere = written.replace('/var/lib/kafka/data', join(folder, 'made'))
    await writeFile(join(shared as string, 'server.properties'), elsewhere)
    const folders = ['--default-configs-dir', defaults, '--mounted-configs-dir', shared, '--final-configs-dir', final] as readonly string[]
    await java('kafka.docker.KafkaDockerWrapper', 'setup', ...folders)
    expect(await readFile(join(final as string, 'server.properties'), 'utf8')).toContain(elsewhere.trim())
    expect(await readdir(join(folder, 'made'))).toContain('meta.properties')
  })

  test('sends this machine to its published port and the other containers to its name', async () => {
    expect(written).toContain('advertised.listeners=HOST://127.0.0.1:9092,INSIDE://kafka:19092')
    expect(kafka.hostname).toBe('kafka')
    expect(kafka.ports).toEqual(['127.0.0.1:9092:9092'])
    expect(ui.environment?.KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS).toBe('kafka:19092')
    for (const port of [ports[9092], ports[19092]]) expect(await nodesAt(`127.0.0.1:${port}`)).toEqual([`127.0.0.1:${port}`])
  })

  test('is healthy by its own check while it can be reached, and not otherwise', async () => {
    const [kind, command, option, address] = kafka.healthcheck?.test ?? []
    expect([kind, command, address]).toEqual(['CMD', '/opt/kafka/bin/kafka-broker-api-versions.sh', 'kafka:19092'])
    // What that script runs.
    const check = (port: number) => java('org.apache.kafka.tools.BrokerApiVersionsCommand', option ?? '', `127.0.0.1:${port}`)
    expect((await check(ports[19092])).stdout).toContain('ApiVersions')
    await expect(Promise.race([check(await freePort()), new Promise((_, reject) => setTimeout(reject, 5_000))])).rejects.toBeDefined()
  })
})
