import type { ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Kafka as Client, logLevel } from 'kafkajs'
import { archiveOptions } from './kafka-archive.ts'
import { kafkaJars } from './kafka-jars.ts'
import { kafkaAnswers } from './kafka-probe.ts'
import type { Broker, BrokerKind } from './kind.ts'
import { lifecycle } from './lifecycle.ts'
import { exited, Owned } from './owned.ts'
import { freePort } from './port.ts'

const ANSWERS_WITHIN_MS = 60_000
const STOPS_WITHIN_MS = 30_000
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk'
/** To be up soon and small. */
const JVM = ['-Xms64m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

export const kafka: BrokerKind = {
  name: 'kafka',
  variable: 'KAFKA_BOOTSTRAP_SERVERS',
  defaultUrl: '127.0.0.1:9092',
  install: 'apt-get install -y --no-install-recommends default-jre-headless maven, or set KAFKA_BOOTSTRAP_SERVERS',
  answers,
  start: () => startKafka(),
}

export interface KafkaOptions {
  /** More lines for server.properties; of two equal keys the last wins. */
  readonly config?: readonly string[]
  /** Where it answers, when `config` has listeners of its own. */
  readonly url?: string
  /** One more listener, which tells its clients to come back by another port: a proxy's. */
  readonly behind?: { readonly port: number; readonly advertisedPort: number }
  /** More listeners by name, each with its security protocol: SSL, SASL_PLAINTEXT, SASL_SSL. What they need is in `config`. */
  readonly listeners?: Readonly<Record<string, string>>
  /** One of several nodes, by its place in the list. They come up together. */
  readonly cluster?: { readonly index: number; readonly nodes: readonly Node[] }
  /** How Java runs it, where it is to be measured: not what makes it start fast. */
  readonly jvm?: readonly string[]
  /** For `StorageTool format`, as in `--add-scram 'SCRAM-SHA-256=[name=app,password=secret]'`. */
  readonly format?: readonly string[]
}

interface Node {
  readonly port: number
  readonly controllerPort: number
}

export interface Kafka extends Broker {
  /** Where its data and its log are. */
  readonly folder: string
  /** Of `listeners`, by name. */
  readonly ports: Readonly<Record<string, number>>
  /** The two halves of `kill`: gone with kill -9, and there again. */
  readonly down: () => Promise<void>
  readonly up: () => Promise<void>
}

async function answers(url: string): Promise<boolean> {
  for (const address of url.replaceAll('kafka://', '').split(',')) if (await kafkaAnswers(address.trim())) return true
  return false
}

let installing: ReturnType<typeof install> | undefined

/** Where the jars are, and how Java is to run them; undefined where there is no Java. */
async function install(): Promise<Installation | undefined> {
  const jars = await kafkaJars()
  if (jars === undefined) return undefined
  const classes = ['-cp', `${jars}/*`]
  const archive = await archiveOptions(jars, async (archive) => {
    const { kafka, down } = await start({}, { classes, archive })
    await down('SIGTERM')
    await kafka.stop()
  })
  return { classes, archive }
}

interface Installation {
  readonly classes: readonly string[]
  readonly archive: readonly string[]
}

/** One node, broker and controller in one, on free loopback ports and with a folder of its own. Undefined where there is no Java. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka | undefined> {
  installing ??= install()
  const installation = await installing
  return installation && (await start(options, installation)).kafka
}

interface Started {
  readonly kafka: Kafka
  readonly down: (by: 'SIGTERM' | 'SIGKILL') => Promise<void>
}

async function start(options: KafkaOptions, { classes, archive }: Installation): Promise<Started> {
  const { config = [], behind, listeners = {}, format = [], jvm = JVM } = options
  const folder = mkdtempSync(join(tmpdir(), 'corebus-kafka-'))
  const { index, nodes } = options.cluster ?? { index: 0, nodes: [await freeNode()] }
  const { port } = nodes[index] as Node
  const { url = `127.0.0.1:${port}` } = options
  const properties = join(folder, 'server.properties')
  const ports: Record<string, number> = {}
  for (const name in listeners) ports[name] = await freePort()
  const clients = [
    { name: 'PLAINTEXT', protocol: 'PLAINTEXT', port, advertised: port },
    ...(behind ? [{ name: 'BEHIND', protocol: 'PLAINTEXT', port: behind.port, advertised: behind.advertisedPort }] : []),
    ...Object.entries(listeners).map(([name, protocol]) => ({ name, protocol, port: ports[name] ?? 0, advertised: ports[name] ?? 0 })),
  ]
  writeFileSync(properties, [...propertiesOf(folder, index, nodes, clients), ...config, ''].join('\n'))

  const owned = new Owned()
  owned.folder(folder)
  function java(...args: readonly string[]): ChildProcess {
    const log = openSync(join(folder, 'kafka.log'), 'a')
    const child = owned.spawn('java', [...classes, ...args], { output: log })
    closeSync(log)
    return child
  }
  const failed = (what: string) => new Error(`${what}: ${readFileSync(join(folder, 'kafka.log'), 'utf8').slice(-2_000)}`)
  async function makeFolder(): Promise<void> {
    const made = java(...JVM, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', properties, ...format)
    await exited(made)
    if (made.exitCode !== 0) throw failed('Kafka could not make its data folder')
    if (made.pid !== undefined) owned.forget(-made.pid)
  }
  let formatted: Promise<void> | undefined
  const { down, ...life } = await lifecycle({
    owned,
    stopsWithinMs: STOPS_WITHIN_MS,
    async up() {
      formatted ??= makeFolder()
      await formatted
      const child = java(...jvm, ...archive, 'kafka.Kafka', properties)
      if (child.pid === undefined) throw failed('java did not start')
      const deadline = performance.now() + ANSWERS_WITHIN_MS
      while (!(await answers(url))) {
        if (child.exitCode !== null || performance.now() > deadline) throw failed('Kafka did not come up')
        await pause(100)
      }
      // The shell that waited for a word has become the server.
      owned.process(child.pid)
      owned.forget(-child.pid)
      return child.pid
    },
  })
  const kafka: Kafka = {
    url,
    env: { MESSAGING_BROKER: 'kafka', KAFKA_BOOTSTRAP_SERVERS: url },
    own: true,
    folder,
    ports,
    ...life,
    down: () => down('SIGKILL'),
  }
  return { kafka, down }
}

async function freeNode(): Promise<Node> {
  return { port: await freePort(), controllerPort: await freePort() }
}

/** Several nodes, each with all partitions. Resolves when all of them know each other. */
export async function startKafkaCluster(count = 3): Promise<readonly Kafka[] | undefined> {
  const nodes: Node[] = []
  while (nodes.length < count) nodes.push(await freeNode())
  const started = await Promise.all(nodes.map((_, index) => startKafka({ cluster: { index, nodes } })))
  const kafkas = started.filter((one) => one !== undefined)
  const [first] = kafkas
  if (!first) return undefined
  const admin = new Client({ brokers: [first.url], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  while ((await admin.describeCluster()).brokers.length < count) await pause(100)
  await admin.disconnect()
  return kafkas
}

interface Listener {
  readonly name: string
  readonly protocol: string
  readonly port: number
  readonly advertised: number
}

function propertiesOf(folder: string, index: number, nodes: readonly Node[], clients: readonly Listener[]): readonly string[] {
  const { controllerPort } = nodes[index] as Node
  const voters = nodes.map((node, i) => `${i + 1}@127.0.0.1:${node.controllerPort}`)
  const listeners = clients.map((one) => `${one.name}://127.0.0.1:${one.port}`)
  const protocols = clients.map((one) => `${one.name}:${one.protocol}`)
  return [
    'process.roles=broker,controller',
    `node.id=${index + 1}`,
    `controller.quorum.voters=${voters.join(',')}`,
    `listeners=${[...listeners, `CONTROLLER://127.0.0.1:${controllerPort}`].join(',')}`,
    `advertised.listeners=${clients.map((one) => `${one.name}://127.0.0.1:${one.advertised}`).join(',')}`,
    `listener.security.protocol.map=${[...protocols, 'CONTROLLER:PLAINTEXT'].join(',')}`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    `log.dirs=${join(folder, 'data')}`,
    'auto.create.topics.enable=false',
    `default.replication.factor=${nodes.length}`,
    ...['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'].flatMap((topic) => [
      `${topic}.num.partitions=4`,
      `${topic}.replication.factor=${nodes.length}`,
    ]),
    'transaction.state.log.min.isr=1',
    'share.coordinator.state.topic.min.isr=1',
    'group.initial.rebalance.delay.ms=0',
    'group.min.session.timeout.ms=1000',
    // Without these a small heap does not start, and files of 10 MB are made for every partition.
    'log.cleaner.dedupe.buffer.size=4194304',
    'log.index.size.max.bytes=262144',
    // A node killed with -9 is back when the controller has given up the old one.
    'broker.session.timeout.ms=3000',
    'broker.heartbeat.interval.ms=500',
    // Leaders go home soon, so that a restart in turn moves each of them twice.
    'leader.imbalance.check.interval.seconds=5',
  ]
}
