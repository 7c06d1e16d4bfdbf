import { appendFile } from 'node:fs/promises'
import { createMessaging } from '@corebus/core'
import type { Driver, DriverOptions } from '@corebus/core/driver'

/** Keeps its messages in a SQLite file, and beside it a list of what was published. */
export async function driver({ url = '', service }: DriverOptions): Promise<Driver> {
  const inner = createMessaging({ broker: 'sqlite', url, service, logLevel: 'warn' })
  const sqlite = await inner.driver()
  return {
    ...sqlite,
    name: 'audited',
    async connect(listener) {
      listener({ kind: 'connected' })
    },
    async publish(messages, options) {
      await sqlite.publish(messages, options)
      await appendFile(`${url}.audit`, messages.map(({ topic, id }) => `${topic} ${id}\n`).join(''))
    },
    close: () => inner.close(),
  }
}
