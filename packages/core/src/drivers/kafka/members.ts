import type { Members } from '../../driver.ts'
import type { BrokerTime } from './broker-time.ts'
import { readLog } from './log-reader.ts'
import type { Client } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'

export interface MembersOptions {
  readonly client: Client
  readonly publisher: Publisher
  readonly time: BrokerTime
  readonly topic: string
}

interface Told {
  readonly group: string
  readonly member: string
  readonly note: string
  /** By the broker's clock. */
  readonly until: number
}

/** A compacted topic of what the members of all groups say of themselves. It is read on from where it was read to. */
export function members({ client, publisher, time, topic }: MembersOptions): Members {
  const told = new Map<string, Told>()
  let next = 0
  let reading: Promise<void> = Promise.resolve()
  const keyOf = (group: string, member: string) => JSON.stringify([group, member])

  async function read(): Promise<void> {
    await time.refresh()
    next = await readLog(client, topic, {
      from: next,
      onRecord({ key, value, at }) {
        if (!key) return
        const name = key.toString()
        told.delete(name)
        const said = value && parsed(value.toString())
        if (said) told.set(name, { ...said, until: at + said.forMs })
      },
    })
    for (const [name, { until }] of told) if (until <= time.now()) told.delete(name)
  }

  return {
    async tell(group, member, note, forMs) {
      await publisher.count(topic) // made where it is not there
      const value = Buffer.from(JSON.stringify({ group, member, note, forMs }))
      await publisher.store(topic, 0, { key: Buffer.from(keyOf(group, member)), value, headers: {} })
    },
    async list(group) {
      if (!(await client.topics()).has(topic)) return []
      // One after the other: each begins where the one before has ended, and after it was asked for.
      reading = reading.catch(() => {}).then(read)
      await reading
      return [...told.values()].filter((one) => one.group === group).map(({ member, note }) => ({ member, note }))
    },
    async leave(group, member) {
      await publisher.store(topic, 0, { key: Buffer.from(keyOf(group, member)), value: null, headers: {} })
    },
  }
}

/** Undefined for what somebody else wrote. */
function parsed(text: string): (Omit<Told, 'until'> & { readonly forMs: number }) | undefined {
  try {
    const { group, member, note, forMs } = JSON.parse(text)
    const isNote = [group, member, note].every((one) => typeof one === 'string') && typeof forMs === 'number'
    return isNote ? { group, member, note, forMs } : undefined
  } catch {
    return undefined
  }
}
