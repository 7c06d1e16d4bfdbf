import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { GROUP, type Room } from '../corebus.ts'

/** A broker, and how many partitions its topics have. */
export interface Place {
  readonly url: string
  readonly partitions: number
}

const READY_WITHIN_MS = 10_000
/** Commits that are under way when a consumer ends. */
const SETTLED_WITHIN_MS = 3_000
const LOOK_EVERY_MS = 50

export const client = (url: string): Kafka => new Kafka({ clientId: 'bench', brokers: [url], logLevel: logLevel.NOTHING })

async function asAdmin<T>(url: string, ask: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client(url).admin()
  await admin.connect()
  try {
    return await ask(admin)
  } finally {
    await admin.disconnect()
  }
}

/** A topic of its own, deleted when `work` is over. @throws when the group does not have so many left to settle then. */
export async function inTopic<T>({ url, partitions }: Place, work: (topic: string) => Promise<T>, leftOver = 0): Promise<T> {
  const topic = `bench-${randomUUID()}`
  return asAdmin(url, async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: false })
    // Until every leader answers: kafkajs sends a whole batch again when one partition is not ready, and its messages are there twice.
    await insist(() => admin.fetchTopicOffsets(topic))
    try {
      const result = await work(topic)
      await mustHold(admin, topic, leftOver)
      return result
    } finally {
      await admin.deleteTopics({ topics: [topic] })
    }
  })
}

/** Asks again what a broker refuses that has only just made a topic, or a coordinator. @throws what it says at last. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + READY_WITHIN_MS; ; await sleep(LOOK_EVERY_MS)) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > until) throw error
    }
  }
}

async function mustHold(admin: Admin, topic: string, messages: number): Promise<void> {
  const until = performance.now() + SETTLED_WITHIN_MS
  for (;;) {
    const unsettled = await insist(() => unsettledOf(admin, topic))
    if (unsettled === messages) return
    if (performance.now() > until) throw new Error(`${topic} holds ${unsettled} messages for its group, not ${messages}`)
    await sleep(LOOK_EVERY_MS)
  }
}

/** From the group's committed offsets to the ends of the partitions. */
async function unsettledOf(admin: Admin, topic: string): Promise<number> {
  const [committed] = await admin.fetchOffsets({ groupId: GROUP, topics: [topic] })
  const at = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
  const ends = await admin.fetchTopicOffsets(topic)
  return ends.reduce((sum, { partition, high, low }) => sum + Number(high) - Math.max(at.get(partition) ?? 0, Number(low)), 0)
}

export function room(place: Place): Room {
  return {
    broker: 'kafka',
    url: place.url,
    keyed: true,
    inTopic: (work, leftOver) => inTopic(place, work, leftOver),
    mustHold: (topic, messages) => asAdmin(place.url, (admin) => mustHold(admin, topic, messages)),
  }
}
