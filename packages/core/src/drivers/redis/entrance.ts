import { CorebusError } from '../../errors.ts'
import { heldByOthers, noStream, noSuchStream, notMadeHere } from './failure.ts'
import type { Reply } from './link.ts'
import { listOf } from './nodes.ts'

/** A group that is to be joined, and where it reads. */
export interface Door {
  readonly topic: string
  readonly group: string
  readonly stream: string
  /** The stream is of others. */
  readonly isSource: boolean
}

/** Takes the answer of the scripts that look at a group and that join it. `mayMake`: a stream of a topic that is missing is no trouble. @throws CorebusError GROUP_FOREIGN, GROUP_TAKEN, SOURCE, TOPOLOGY, REFUSED */
export function throwIfShut(reply: Reply, { topic, group, stream, isSource }: Door, mayMake: boolean): void {
  const [said, name, pending] = listOf(reply)
  if (said === 'no stream') throw noStream(stream, isSource)
  if (said === 'missing' && isSource) throw noSuchStream(stream, { topic, group })
  if (said === 'missing' && !mayMake) throw notMadeHere(topic, stream)
  if (said === 'foreign') throw heldByOthers({ topic, group, name: String(name), pending: Number(pending) })
  if (said === 'taken')
    throw new CorebusError('GROUP_TAKEN', `group ${group} takes one member at a time on topic ${topic}, and there is one`)
}
