import { randomUUID } from 'node:crypto'
import { createClient, RESP_TYPES } from 'redis'
import { GROUP, messaging, type Room, roomWithGroup, using } from '../corebus.ts'

export const newClient = (url: string) => createClient({ url, RESP: 2, disableOfflineQueue: true })
export type Client = ReturnType<typeof newClient>
export type Raw = readonly [id: Buffer, fields: readonly Buffer[]]
/** Bodies are bytes for everybody. */
export const AS_BYTES = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } }

/** A connection of its own, closed when `work` is over. */
export async function onClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = newClient(url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** A stream that `GROUP` reads from its beginning, deleted when `work` is over. @throws when the group does not have so many left to settle then. */
export async function inStream<T>(url: string, work: (stream: string) => Promise<T>, leftOver = 0): Promise<T> {
  const stream = `bench-${randomUUID()}`
  await onClient(url, (client) => client.sendCommand(['XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM']))
  try {
    const result = await work(stream)
    await mustHold(url, stream, leftOver)
    return result
  } finally {
    await onClient(url, (client) => client.del(stream))
  }
}

/** @throws when the group does not have exactly so many to settle: something was lost, doubled or not acknowledged. */
export async function mustHold(url: string, stream: string, messages: number): Promise<void> {
  const [group] = await onClient(url, (client) => client.xInfoGroups(stream))
  const unsettled = Number(group?.lag) + Number(group?.pending)
  if (unsettled !== messages) throw new Error(`${stream} holds ${unsettled} messages for its group, not ${messages}`)
}

export const room = (url: string): Room =>
  roomWithGroup({
    broker: 'redis',
    url,
    mustHold: (topic, messages) =>
      using(messaging({ broker: 'redis', url }), async (app) => {
        const { ready, inFlight = 0 } = await (await app.driver()).admin.depth(topic, GROUP)
        if (ready + inFlight !== messages)
          throw new Error(`${topic} holds ${ready} and ${inFlight} messages for its group, not ${messages}`)
      }),
    forget: (topic) => onClient(url, async (client) => client.del(await client.keys(`*${topic}*`))),
  })
