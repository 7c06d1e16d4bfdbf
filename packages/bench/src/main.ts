import { parseArgs } from 'node:util'
import { type BrokerName, broker, kafkaJars, startKafka } from '@corebus/testbed'
import { builds } from './builds/builds.ts'
import type { Room } from './corebus.ts'
import { type Bare, firstMessage } from './first-message.ts'
import { comparisons as kafka } from './kafka/comparisons.ts'
import * as onKafka from './kafka/latency.ts'
import { room as kafkaRoom } from './kafka/room.ts'
import { inFile, latency } from './latency.ts'
import { type Comparison, compare, print, type Result } from './measure.ts'
import * as outbox from './outbox/suite.ts'
import { besideBare, type Latencies } from './paced.ts'
import { comparisons as rabbitmq } from './rabbitmq/comparisons.ts'
import * as onRabbitmq from './rabbitmq/latency.ts'
import { room as rabbitmqRoom } from './rabbitmq/topic.ts'
import { comparisons as redis } from './redis/comparisons.ts'
import * as onRedis from './redis/latency.ts'
import { room as redisRoom } from './redis/room.ts'
import { runtime } from './runtime.ts'
import { backlog, consume, publish } from './sqlite.ts'
import { startUp } from './start-up.ts'
import { testKit } from './test-kit.ts'

const HELP = `Measures Corebus against bare libraries and peers: every round runs every contestant once, medians count.

  npm run bench                       everything (about 30 minutes)
  npm run bench -- runtime sqlite     some of it: start-up, test-kit, runtime, sqlite, backlog, latency,
                                      rabbitmq, rabbitmq-latency, kafka, kafka-latency, redis, redis-latency,
                                      outbox, outbox-latency, outbox-held, outbox-backlog
  npm run bench -- start-up --before ../corebus-before
                                      beside another checkout, installed and built
  npm run bench -- kafka --match '12 partitions: publish'
                                      only the comparisons with that in their names
  npm run bench -- builds --before ../corebus-before --match kafka
                                      this build against that of another checkout, installed and built;
                                      --cpu: by CPU time
  npm run bench -- --rounds 5 --json  more rounds; one JSON document instead of tables`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    match: { type: 'string', default: '' },
    before: { type: 'string' },
    cpu: { type: 'boolean', default: false },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}

const SIZES = [200, 1_024]
const PARTITIONS = [4, 12]
/** Contestants against each other, by throughput. */
const suites: Record<string, () => Promise<readonly Comparison[]>> = {
  runtime: async () => Promise.all(SIZES.map((bytes) => runtime(bytes, 20_000))),
  sqlite: async () => SIZES.flatMap((bytes) => [publish(bytes, 20_000), consume(bytes, 20_000)]),
  backlog: async () => SIZES.map((bytes) => backlog(bytes)),
  rabbitmq: async () => rabbitmq(await urlOf('rabbitmq'), SIZES),
  kafka: async () => {
    const [url, jars] = [await urlOf('kafka'), (await kafkaJars()) ?? '']
    return PARTITIONS.flatMap((partitions) => kafka({ url, jars, sizes: SIZES }, partitions))
  },
  redis: async () => redis(await urlOf('redis'), SIZES),
  outbox: async () => outbox.comparisons(await outbox.places()),
}
/** Single messages, and a process at rest. */
const measurements: Record<string, () => Promise<object>> = {
  'start-up': async () => startUp(values.before),
  'test-kit': async () => testKit(),
  latency: inFile,
  'rabbitmq-latency': async () => {
    const url = await urlOf('rabbitmq')
    return single(rabbitmqRoom(url), onRabbitmq.bareStart(url), () => onRabbitmq.byHand(url))
  },
  'kafka-latency': async () => {
    const place = { url: await urlOf('kafka'), partitions: 12 }
    return single(kafkaRoom(place), onKafka.bareStart(place), () => onKafka.byHand(place))
  },
  'redis-latency': async () => {
    const url = await urlOf('redis')
    return single(redisRoom(url), onRedis.bareStart(url), () => onRedis.byHand(url))
  },
  'outbox-latency': async () => outbox.waits(await outbox.places()),
  'outbox-held': async () => outbox.held(await outbox.places()),
  'outbox-backlog': async () => outbox.backlogs(await outbox.places()),
}

async function single(room: Room, bareStart: Bare, byHand: () => Promise<Latencies>): Promise<object> {
  return { firstMessage: await firstMessage(room, bareStart), publishToHandler: await besideBare(room, byHand), ...(await latency(room)) }
}

/** As Kafka's own script starts it. */
const KAFKA_JVM = ['-server', '-Xms1G', '-Xmx1G', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35']

/** Brokers of our own, ended with this process. */
const nodes = new Map<BrokerName, ReturnType<typeof broker>>()
async function urlOf(name: BrokerName): Promise<string> {
  const node = nodes.get(name) ?? (name === 'kafka' ? startKafka({ jvm: KAFKA_JVM }) : broker(name, { own: true }))
  nodes.set(name, node)
  const started = await node
  if (started) return started.url
  process.exit(2)
}

if (values.before !== undefined) {
  const brokers = ['memory', 'sqlite', 'redis', 'rabbitmq', 'kafka'] as const
  const { before, cpu } = values
  suites.builds = async () =>
    builds({ before, cpu, brokers: brokers.filter((name) => values.match === '' || values.match.startsWith(name)), urlOf })
}
const names = [...Object.keys(suites), ...Object.keys(measurements)]
const wanted = positionals.length > 0 ? positionals : names
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are: ${names.join(', ')}`)
  process.exit(2)
}

const results: Result[] = []
for (const [name, comparisons] of Object.entries(suites)) {
  if (!wanted.includes(name)) continue
  for (const comparison of await comparisons()) {
    if (!comparison.name.includes(values.match)) continue
    const result = await compare(comparison, Number(values.rounds))
    results.push(result)
    if (!values.json) print(result)
  }
}
const measured: Record<string, object> = {}
for (const [name, measure] of Object.entries(measurements)) {
  if (!wanted.includes(name)) continue
  measured[name] = await measure()
  if (!values.json) console.log(`\n${name}\n`, measured[name])
}
if (values.json) console.log(JSON.stringify({ node: process.version, rounds: Number(values.rounds), results, measured }, undefined, 2))
await outbox.closePlaces()
for (const node of nodes.values()) await (await node)?.stop()
// Nest keeps timers; everything of ours is closed.
process.exit(0)
