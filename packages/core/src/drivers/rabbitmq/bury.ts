import type { Clock } from '../../clock.ts'
import type { Burying } from '../../driver.ts'
import { keepsNone, notDeclared } from '../groups.ts'
import { burialHeaders, cutToFit } from './copy.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import type { Entry, Place } from './registry.ts'
import type { Targets } from './targets.ts'
import { toAmqp } from './wire.ts'

export interface BuryOptions {
  readonly names: Names
  readonly declarer: Declarer
  readonly publisher: Publisher
  readonly targets: Targets
  readonly clock: Clock
  readonly entries: () => Promise<readonly Entry[]>
}

const LETTERS_AT_ONCE = 100
const OURS = 'corebus-'

/** Into the places that the groups declared last. All are looked up before the first is stored. */
export async function bury(letters: readonly Burying[], options: BuryOptions): Promise<void> {
  const { publisher, targets, clock } = options
  const entries = await options.entries()
  const places = new Map<string, Place>()
  for (const { message, group } of letters) {
    const key = JSON.stringify([message.topic, group])
    if (!places.has(key)) places.set(key, await placeOf(message.topic, group, entries, options))
  }
  for (let from = 0; from < letters.length; from += LETTERS_AT_ONCE)
    await Promise.all(letters.slice(from, from + LETTERS_AT_ONCE).map(store))

  async function store({ message, group }: Burying): Promise<void> {
    const { topic, headers } = message
    const place = places.get(JSON.stringify([topic, group])) as Place
    const ttlMs = place.shared ? place.ttlMs : undefined
    const ours = Object.entries(headers).filter(([name]) => name.startsWith(OURS))
    const theirs = Object.entries(headers).filter(([name]) => !name.startsWith(OURS))
    const outgoing = toAmqp({ ...message, headers: Object.fromEntries(theirs) }, clock.now())
    const burial = burialHeaders({ topic, group, at: clock.now(), ...(ttlMs !== undefined && { ttlMs }) })
    const own = outgoing.properties.headers ?? {}
    outgoing.properties.headers = { ...own, ...cutToFit(own, { ...Object.fromEntries(ours), ...burial }) }
    if (ttlMs !== undefined) outgoing.properties.expiration = ttlMs
    await publisher.store(targets.dead(topic, group, place), outgoing)
  }
}

/** @throws CorebusError NO_SUCH_GROUP, NO_DEAD_LETTERS */
async function placeOf(topic: string, group: string, entries: readonly Entry[], { names, declarer }: BuryOptions): Promise<Place> {
  const entry = entries.findLast((one) => one.kind === 'group' && one.topic === topic && one.group === group)
  if (entry?.kind !== 'group' || !(await declarer.count(names.work(topic, group)))) throw notDeclared({ topic, group })
  if (!entry.place) throw keepsNone({ topic, group })
  return entry.place
}
