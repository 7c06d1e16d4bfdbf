import type { TopicOptions } from '../driver.ts'
import {
  callable,
  flag,
  isText,
  milliseconds,
  needed,
  type Option,
  objectOf,
  objectsOf,
  oneOf,
  secretly,
  text,
  whole,
} from '../options/option.ts'
import { ENVELOPE } from '../wire/event-type.ts'
import type { TopicFormat } from '../wire/topic-formats.ts'

export interface TlsOptions {
  /** PEM text, not file names. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface AuthOptions {
  readonly username: string
  readonly password: string
  /** Kafka: 'plain' (default), 'scram-sha-256', 'scram-sha-512'. */
  readonly mechanism?: string
}

/** What is made on the broker, and whether. */
export interface TopologyOptions extends Omit<TopicOptions, 'topics'> {
  /** Default 'create'. */
  readonly mode?: 'create' | 'check'
  readonly topics?: Readonly<Record<string, OneTopicOptions>>
}

/** What is said of one topic: how it is made, and how its messages look. */
export interface OneTopicOptions extends TopicFormat {
  /** Kafka */
  readonly partitions?: number
  /** RabbitMQ. `false`: what no group of ours reads is kept for none. */
  readonly unclaimed?: boolean
}

export interface PublishOptions {
  /** A publish rejects after this. Default 10,000. */
  readonly timeoutMs?: number
  /** Publishes waiting at once; one more rejects with BACKPRESSURE. Default 10,000. */
  readonly maxPending?: number
}

const PARTITIONS = whole(1, 10_000)
export const MODES = ['create', 'check'] as const

const pem = secretly(
  'PEM text, not a file name (MESSAGING_TLS_CA, _CERT and _KEY take files)',
  (value) => typeof value === 'string' && value.includes('-----BEGIN '),
)
export const TLS: Readonly<Record<keyof TlsOptions, Option>> = {
  ca: { default: 'the authorities of the system', must: pem, text: 'whom to trust, as PEM text' },
  cert: { default: 'none', must: pem, text: 'who we are, as PEM text. Goes together with `key`' },
  key: { default: 'none', must: pem, text: 'the key of `cert`' },
}
export const AUTH: Readonly<Record<keyof AuthOptions, Option>> = {
  username: { default: 'needed', must: needed('a string that is not empty', isText), text: 'who we are' },
  password: { default: 'needed', must: needed('a string', (value) => typeof value === 'string'), text: 'is never printed' },
  mechanism: { default: "`'plain'`", must: text, text: "Kafka only: `'plain'`, `'scram-sha-256'`, `'scram-sha-512'`" },
}
export const PUBLISH: Readonly<Record<keyof PublishOptions, Option>> = {
  timeoutMs: { default: '10,000', must: milliseconds(1), text: 'a publish that is not confirmed rejects with `PUBLISH_TIMEOUT`' },
  maxPending: {
    default: '10,000',
    must: whole(1, 1_000_000),
    text: 'messages that may wait for their confirm; one more is refused with `BACKPRESSURE`',
  },
}
const TOPIC: Readonly<Record<keyof OneTopicOptions, Option>> = {
  partitions: {
    default: '`topology.partitions`',
    must: PARTITIONS,
    text: 'Kafka: the same for one topic. If it is there with fewer, that is an error (`TOPOLOGY`): partitions are never added here. Elsewhere one line says that it does nothing',
  },
  unclaimed: {
    default: '`true`',
    must: flag,
    text: 'RabbitMQ: `false` keeps nothing for a first group that may come, so that a topic which only others read is never full. Elsewhere one line says that it does nothing',
  },
  in: { ...ENVELOPE.in, default: "the app's" },
  out: { ...ENVELOPE.out, default: "the app's" },
  fields: {
    default: 'none',
    must: callable,
    text: "Redis: what each entry holds that is published to this topic, as the option `fields` of a call says it. The envelope's own fields come before it",
  },
}
export const TOPOLOGY: Readonly<Record<keyof TopologyOptions, Option>> = {
  mode: { default: "`'create'`", must: oneOf(...MODES), text: "`'create'` or `'check'`, as above" },
  partitions: {
    default: '12',
    must: PARTITIONS,
    text: 'Kafka: partitions of a topic that is made. One that is there is used as it is. More members of a group than partitions do not share a topic',
  },
  topics: {
    default: 'none',
    must: objectsOf(TOPIC),
    text: 'what is said of single topics, by their names',
    inside: { '*': { default: '', must: objectOf(TOPIC), text: '', inside: TOPIC } },
  },
}
