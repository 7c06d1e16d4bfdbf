import { CorebusError } from '@corebus/core'
import type { Documents } from './store.ts'

const MOST_CALLS = 20

/**
 * Calls `work` until what it has read is still so after all that it wrote. Two handlers of which each reads what the other writes, without transactions:
 * each may have read before the other had written. Each writes first and then looks again, so at least one of them sees the other. Changes that say nothing
 * new write nothing, so that a second call ends it.
 * @throws CorebusError DOCUMENT when it never ends: the message is tried again later
 */
export async function settledReads(documents: Documents, work: (documents: Documents) => Promise<void>): Promise<void> {
  for (let call = 1; call <= MOST_CALLS; call++) {
    const reads: (() => Promise<boolean>)[] = []
    await work(remembering(documents, reads))
    const same = await Promise.all(reads.map((read) => read()))
    if (!same.includes(false)) return
  }
  throw new CorebusError('DOCUMENT', `what a handler reads was another thing each of ${MOST_CALLS} times that it was called`)
}

function remembering(documents: Documents, reads: (() => Promise<boolean>)[]): Documents {
  const remembered = async <T>(read: () => Promise<T>): Promise<T> => {
    const found = await read()
    const text = JSON.stringify(found)
    reads.push(async () => JSON.stringify(await read()) === text)
    return found
  }
  return {
    get: (place, id) => remembered(() => documents.get(place, id)),
    find: (place, plan) => remembered(() => documents.find(place, plan)),
    change: (place, id, change) => documents.change(place, id, change),
  }
}
