import type { Which } from './holdings.ts'
import type { Reply } from './link.ts'
import { listOf } from './nodes.ts'
import { type Entry, unpacked } from './wire.ts'

/** An entry that the server has given to a member. */
export interface Came {
  readonly which: Which
  readonly entry: Entry
  readonly unsettledBefore: number
}

/** What XREADGROUP answers, of the topic's stream and of the group's own. */
export function readIn(reply: Reply, stream: string): readonly Came[] {
  const came: Came[] = []
  for (const ofStream of listOf(reply)) {
    const [key, entries] = listOf(ofStream)
    const which: Which = String(key) === stream ? 1 : 2
    for (const one of listOf(entries)) {
      const [id, fields] = listOf(one)
      came.push({ which, entry: entryIn(which, id, fields), unsettledBefore: 0 })
    }
  }
  return came
}

/** What the script answers that takes over what is nobody's. */
export function claimedIn(taken: Reply | undefined): readonly Came[] {
  return listOf(taken).map((one) => {
    const [stream, id, before, fields] = listOf(one)
    const which: Which = stream === 1 ? 1 : 2
    return { which, entry: entryIn(which, id, fields), unsettledBefore: Number(before) }
  })
}

/** The fields were asked for as bytes. Only on the group's own stream anything is packed. */
export function entryIn(which: Which, id: Reply | undefined, list: Reply | undefined): Entry {
  const fields = listOf(list) as readonly Buffer[]
  return { id: String(id), fields: which === 2 ? unpacked(fields) : fields }
}

export function bytesOf(came: readonly Came[]): number {
  let bytes = 0
  for (const { entry } of came) for (const part of entry.fields) bytes += part.length
  return bytes
}
