import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { PublishLoad } from '../load.ts'
import type { Contestant } from '../measure.ts'
import { inTopic, type Place } from './room.ts'

/** What Apache Kafka itself measures with. Its messages have no keys, nobody waits for single ones, and nothing is parsed: the limit of this machine. */
const TOOLS = 'org.apache.kafka.tools'

async function run(jars: string, tool: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('java', ['-cp', `${jars}/*`, `${TOOLS}.${tool}`, ...args])
  return stdout
}

const produce = (jars: string, { url }: Place, topic: string, { bytes, count }: Pick<PublishLoad, 'bytes' | 'count'>) =>
  run(jars, 'ProducerPerformance', [
    ...['--bootstrap-server', url, '--topic', topic, '--num-records', String(count), '--record-size', String(bytes)],
    ...['--throughput', '-1', '--command-property', 'acks=all'],
  ])

/** From its last line: so many records sent, so many records a second. */
function msOf(report: string, count: number): number {
  const perSecond = report
    .match(/, ([\d.]+) records\/sec/g)
    ?.at(-1)
    ?.match(/[\d.]+/)?.[0]
  if (perSecond === undefined) throw new Error(`ProducerPerformance says: ${report}`)
  return (count / Number(perSecond)) * 1_000
}

export function javaPublishing(jars: string, place: Place, load: Pick<PublishLoad, 'bytes' | 'count'>): Contestant {
  return {
    name: 'Java ProducerPerformance, acks=all',
    messages: load.count,
    run: () => inTopic(place, async (topic) => msOf(await produce(jars, place, topic, load), load.count), load.count),
  }
}

export function javaConsuming(jars: string, place: Place, load: Pick<PublishLoad, 'bytes' | 'count'>): Contestant {
  return {
    name: 'Java ConsumerPerformance',
    messages: load.count,
    run: () =>
      inTopic(
        place,
        async (topic) => {
          await produce(jars, place, topic, load)
          const report = await run(jars, 'ConsumerPerformance', [
            ...['--bootstrap-server', place.url, '--topic', topic, '--num-records', String(load.count), '--hide-header'],
          ])
          // start, end, MB, MB/s, messages, messages/s, rebalance ms, fetch ms, MB/s of fetching, messages/s of fetching
          const fetched = Number(report.trim().split('\n').at(-1)?.split(', ').at(-1))
          if (!(fetched > 0)) throw new Error(`ConsumerPerformance says: ${report}`)
          return (load.count / fetched) * 1_000
        },
        load.count,
      ),
  }
}
