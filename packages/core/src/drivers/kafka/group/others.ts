import { type Clock, monotonic, sleep } from '../../../clock.ts'
import { groupDead } from '../../others.ts'
import { failureOf, heldByOthers, inWords, isForbidden } from '../failure.ts'
import type { Names } from '../names.ts'
import type { Client } from '../protocol/client.ts'
import { PROTOCOL } from './assigner.ts'

export interface OthersOptions {
  readonly client: Pick<Client, 'describe' | 'stateOfNew'>
  readonly names: Pick<Names, 'group'>
  readonly clock: Clock
}

/** Clients of ours are called so, unless their users say otherwise. */
const OURS = 'corebus-'
const AGREED_WITHIN_MS = 10_000
const LOOK_EVERY_MS = 100

/**
 * Looks whether a group can be joined, before anything is made. While its members are agreeing the broker does not say on what: where some of them are
 * not called as ours are, that is waited for. A broker that does not answer is asked again by the join.
 *
 * @throws CorebusError GROUP_FOREIGN for a group whose members have agreed on another protocol than ours, GROUP_DEAD for one that the user may not join
 */
export async function refuseOthers(group: string, { client, names, clock }: OthersOptions): Promise<void> {
  const name = names.group(group)
  const deadline = monotonic(clock) + AGREED_WITHIN_MS
  for (;;) {
    const { members = [], protocol = '' } = (await client.describe(name).catch((thrown: unknown) => refuseForbidden(group, thrown))) ?? {}
    if (members.length === 0) break
    if (protocol === PROTOCOL) return
    if (protocol !== '')
      throw heldByOthers(group, `${members.length === 1 ? 'one assigns' : `${members.length} assign`} partitions by ${protocol}`)
    if (members.every(({ memberId }) => memberId.startsWith(OURS)) || monotonic(clock) > deadline) return
    await sleep(clock, LOOK_EVERY_MS)
  }
  const state = await client.stateOfNew(name).catch(() => undefined)
  if (state !== undefined && state !== 'Empty' && state !== 'Dead')
    throw heldByOthers(group, `they speak the protocol of Kafka 4, group.protocol=consumer`)
}

/** Every user who may join a group may ask this. */
function refuseForbidden(group: string, thrown: unknown): undefined {
  const failure = failureOf(thrown)
  if (isForbidden(failure)) throw groupDead(group, inWords(failure), { cause: failure.error })
}
