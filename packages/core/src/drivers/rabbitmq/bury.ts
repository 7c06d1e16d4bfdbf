import type { Clock } from '../../clock.ts'
import type { Burying } from '../../driver.ts'
import { buryInPlaces } from '../burying.ts'
import { keepsNone, keptByOthers, notDeclared } from '../groups.ts'
import { burialHeaders, cutToFit } from './copy.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import type { Entry, Place } from './registry.ts'
import { placeOf as placeWords } from './target.ts'
import type { Targets } from './targets.ts'
import { type Outgoing, toAmqp } from './wire.ts'

export interface BuryOptions {
  readonly names: Names
  readonly declarer: Declarer
  readonly publisher: Publisher
  readonly targets: Targets
  readonly clock: Clock
  readonly entries: () => Promise<readonly Entry[]>
}

const OURS = 'corebus-'

/** Into the places that the groups declared last. */
export async function bury(letters: readonly Burying[], options: BuryOptions): Promise<void> {
  const { publisher, targets } = options
  const entries = await options.entries()
  await buryInPlaces(letters, {
    placeOf: (topic, group) => placeOf(topic, group, entries, options),
    store: (letter, place) => publisher.store(targets.dead(letter.message.topic, letter.group, place), letterOf(letter, place, options)),
  })
}

function letterOf({ message, group }: Burying, place: Place, { clock }: BuryOptions): Outgoing {
  const { topic, headers } = message
  const ttlMs = place.shared ? place.ttlMs : undefined
  const ours = Object.entries(headers).filter(([name]) => name.startsWith(OURS))
  const theirs = Object.entries(headers).filter(([name]) => !name.startsWith(OURS))
  const outgoing = toAmqp({ ...message, headers: Object.fromEntries(theirs) }, clock.now())
  const burial = burialHeaders({ topic, group, at: clock.now(), ...(ttlMs !== undefined && { ttlMs }) })
  const own = outgoing.properties.headers ?? {}
  outgoing.properties.headers = { ...own, ...cutToFit(own, { ...Object.fromEntries(ours), ...burial }) }
  if (ttlMs !== undefined) outgoing.properties.expiration = ttlMs
  return outgoing
}

/** @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS */
async function placeOf(topic: string, group: string, entries: readonly Entry[], { names, declarer }: BuryOptions): Promise<Place> {
  const entry = entries.findLast((one) => one.kind === 'group' && one.topic === topic && one.group === group)
  if (entry?.kind !== 'group' || !(await declarer.count(names.work(topic, group)))) throw notDeclared({ topic, group })
  if (entry.to) throw keptByOthers({ topic, group }, placeWords(entry.to))
  if (!entry.place) throw keepsNone({ topic, group })
  return entry.place
}
