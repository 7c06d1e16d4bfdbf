import { CorebusError } from '../errors.ts'
import { given, isObject, isText, type Option, shown } from '../options/option.ts'
import { isName } from '../wire/names.ts'
import { BROKERS, type BrokerName } from './brokers.ts'

/** What topics are called on the broker, where that is not their name: on all of them alike, or on each by itself. */
export type Names = Readonly<Record<string, string | Readonly<Partial<Record<BrokerName, string>>>>>

const LONGEST = 200
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

const FORM =
  "an object from topics to names: { orders: 'shop:orders' }, or per broker { orders: { redis: 'shop:orders', rabbitmq: 'Contracts:Order' } }"

export const NAMES: Option = {
  default: 'their own',
  must: given(
    (value) => isObject(value) && mistakesOf(value).length === 0,
    (value) => (isObject(value) ? `must be ${FORM}; ${mistakesOf(value).join('; ')}` : `must be ${FORM}, not ${shown(value)}`),
  ),
  text: "what topics are called on the broker, where our alphabet does not allow it or others have named them: `{ orders: 'shop:orders' }`, or per broker `{ orders: { redis: 'shop:orders', rabbitmq: 'Contracts:Order' } }`. At most 200 characters, without `prefix`; each broker has its own rules beside. Memory and SQLite have no need of it",
}

function mistakesOf(names: Record<string, unknown>): readonly string[] {
  const mistakes: string[] = []
  for (const [topic, said] of Object.entries(names)) {
    if (!isName(topic)) mistakes.push(`${JSON.stringify(topic)} cannot be the name of a topic: what it is called goes to the right of it`)
    if (isObject(said)) {
      const unknown = Object.keys(said).filter((broker) => !(BROKERS as readonly string[]).includes(broker))
      if (unknown.length > 0) mistakes.push(`${topic} has a name for ${unknown.join(', ')}, and there are ${BROKERS.join(', ')}`)
      for (const [broker, name] of Object.entries(said)) if (name !== undefined) mistakes.push(...wrongName(`${topic} on ${broker}`, name))
    } else mistakes.push(...wrongName(topic, said))
  }
  return mistakes.length > 0 ? mistakes : twins(names as Names)
}

function wrongName(of: string, name: unknown): readonly string[] {
  if (!isText(name)) return [`the name of ${of} must be a string that is not empty, not ${shown(name)}`]
  if (name.length > LONGEST) return [`the name of ${of} has ${name.length} characters, at most ${LONGEST} are possible`]
  return CONTROL.test(name) ? [`the name of ${of} has a control character`] : []
}

/** Two topics under one name would be one topic. */
function twins(names: Names): readonly string[] {
  const found = BROKERS.flatMap((broker) => {
    const topics = Map.groupBy(Object.entries(namesOn(broker, names)), ([, name]) => name)
    return [...topics].flatMap(([name, all]) =>
      all.length > 1 ? [`${all.map(([topic]) => topic).join(' and ')} are both called ${JSON.stringify(name)}`] : [],
    )
  })
  return [...new Set(found)]
}

function namesOn(broker: BrokerName | 'custom', names: Names): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([topic, said]) => {
      const name = typeof said === 'string' ? said : broker === 'custom' ? undefined : said[broker]
      return name === undefined ? [] : [[topic, name] as const]
    }),
  )
}

/** Another topic has the name of this one on that broker. */
export interface Namesake {
  readonly topic: string
  readonly broker: BrokerName
}

/**
 * Topics that would have the name of another topic on a broker, and which: a topic without an entry in `names` is called by its own name there, and an entry
 * may give that name to another one. Every broker that has names is asked, since an environment variable chooses it.
 */
export function namesakes(names: Names = {}, prefix = ''): ReadonlyMap<string, Namesake> {
  const all = BROKERS.filter(hasNames).flatMap((broker) => {
    const said = namesOn(broker, names)
    return Object.entries(said).flatMap(([topic, name]) => {
      const other = name.startsWith(prefix) ? name.slice(prefix.length) : topic
      return other === topic || Object.hasOwn(said, other) ? [] : [[other, { topic, broker }] as const]
    })
  })
  return new Map(all)
}

/** @throws CorebusError CONFIG */
export function refuseNamesakes(topics: readonly string[], known: ReadonlyMap<string, Namesake>): void {
  for (const topic of topics) {
    const other = known.get(topic)
    if (other)
      throw new CorebusError(
        'CONFIG',
        `topic ${topic} and topic ${other.topic}, which names calls so, would be one topic on ${other.broker}: give one of them another name`,
      )
  }
}

const hasNames = (broker: BrokerName | 'custom'): boolean => broker !== 'memory' && broker !== 'sqlite'

/** Those that a driver is told: none where topics are all there is. */
export function namesFor(broker: BrokerName | 'custom', names: Names | undefined): Readonly<Record<string, string>> | undefined {
  if (names === undefined || !hasNames(broker)) return undefined
  const said = namesOn(broker, names)
  return Object.keys(said).length > 0 ? said : undefined
}
