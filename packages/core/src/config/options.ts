import { z } from 'zod'
import { CorebusError } from '../errors.ts'
import { retryPolicy } from '../handlers/retry.ts'
import { redactUrl } from '../observe/redact.ts'
import { BROKERS } from './address.ts'
import type { MessagingOptions } from './messaging-options.ts'
import { didYouMean } from './spelling.ts'

// setTimeout fires at once when asked for more.
const LONGEST_TIMER_MS = 2_147_483_647
const MOST_BYTES = 128 * 1024 * 1024
const MOST_PARTITIONS = 10_000
const MODES = ['create', 'check']

/** An optional option for which `check` holds; `words` complete the sentence "must be ...". */
const must = (words: string, check: (value: unknown) => boolean) =>
  z
    .custom<unknown>((value) => value === undefined || check(value), { error: ({ input }) => `must be ${words}, not ${shown(input)}` })
    .optional()
/** The same for what must never be printed. */
const secret = (words: string, check: (value: unknown) => boolean) => z.custom<unknown>(check, { error: `must be ${words}` })

const whole = (least: number, most: number) =>
  must(
    `a whole number from ${least} to ${most}`,
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  )
const ms = (least: number) =>
  must(
    `a number of milliseconds from ${least} to ${LONGEST_TIMER_MS}`,
    (value) => typeof value === 'number' && value >= least && value <= LONGEST_TIMER_MS,
  )
const oneOf = (names: readonly string[]) =>
  z
    .custom<unknown>((value) => value === undefined || (typeof value === 'string' && names.includes(value)), {
      error: ({ input }) =>
        `must be one of ${names.join(', ')}, not ${shown(input)}.${typeof input === 'string' ? didYouMean(input, names) : ''}`,
    })
    .optional()
const isText = (value: unknown) => typeof value === 'string' && value.trim() !== ''
const text = must('a string that is not empty', isText)
const callable = must('a function', (value) => typeof value === 'function')
const having = (...methods: readonly string[]) =>
  must(`an object with ${methods.join(', ')}`, (value) => isObject(value) && methods.every((name) => typeof value[name] === 'function'))
const addresses = secret(
  'a string, or an array of strings',
  (value) => value === undefined || typeof value === 'string' || (Array.isArray(value) && value.length > 0 && value.every(isText)),
).optional()

const pem = secret(
  'PEM text, not a file name (MESSAGING_TLS_CA, _CERT and _KEY take files)',
  (value) => value === undefined || (typeof value === 'string' && value.includes('-----BEGIN ')),
).optional()
const tlsOptions = z.strictObject({ ca: pem, cert: pem, key: pem })
const authOptions = z.strictObject({
  username: secret('a string that is not empty', isText),
  password: secret('a string', (value) => typeof value === 'string'),
  mechanism: text,
})
const publishOptions = z.strictObject({ timeoutMs: ms(1), maxPending: whole(1, 1_000_000) })
const deadLetterOptions = z.strictObject({
  ttlMs: must('a number of milliseconds above 0', (value) => typeof value === 'number' && value > 0 && value < Infinity),
  name: text,
})

const topicOptions = z.strictObject({ partitions: whole(1, MOST_PARTITIONS) })
const topologyOptions = z.strictObject({
  mode: oneOf(MODES),
  partitions: whole(1, MOST_PARTITIONS),
  topics: z.record(z.string(), topicOptions).optional(),
})

/** Of a union zod says too little; this says what is wrong inside the object, when it is one. */
const plainOr = (isPlain: (value: unknown) => boolean, object: z.ZodType, words: string) =>
  z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined || isPlain(value)) return
      if (!isObject(value)) return context.addIssue({ code: 'custom', message: `must be ${words}, not ${shown(value)}` })
      for (const issue of object.safeParse(value).error?.issues ?? [])
        context.addIssue({ ...issue, input: undefined } as Parameters<typeof context.addIssue>[0])
    })
    .optional()
const flagOr = (object: z.ZodType, words: string) => plainOr((value) => typeof value === 'boolean', object, words)

const OPTIONS = z.strictObject({
  broker: oneOf(BROKERS),
  url: addresses,
  bootstrapServers: addresses,
  tls: flagOr(tlsOptions, 'true, false or { ca, cert, key }'),
  auth: authOptions.optional(),
  client: secret('an object with options of the client library', (value) => value === undefined || isObject(value)).optional(),
  service: text,
  defaultTopic: text,
  prefix: must(
    'letters, digits, dots, dashes and underscores, at most 60',
    (value) => typeof value === 'string' && /^[\w.-]{0,60}$/.test(value),
  ),
  session: callable,
  outbox: having('write'),
  inbox: having('firstTime'),
  concurrency: whole(1, 10_000),
  maxUnsettled: whole(1, 1_000_000),
  handlerTimeoutMs: ms(1),
  abortGraceMs: ms(0),
  shutdownMs: ms(0),
  crashLimit: whole(1, 1_000),
  maxBytes: whole(1, MOST_BYTES),
  publish: publishOptions.optional(),
  topology: plainOr(
    (value) => MODES.includes(String(value)),
    topologyOptions,
    `one of ${MODES.join(', ')}, or { mode, partitions, topics }`,
  ),
  durability: oneOf(['normal', 'full']),
  resolve: callable,
  onStart: callable,
  onClose: callable,
  handlers: must('an array of classes', (value) => Array.isArray(value) && value.every((item) => typeof item === 'function')),
  logger: having('debug', 'info', 'warn', 'error', 'child'),
  env: must('an object', isObject),
  clock: having('now', 'after'),
  maxRetries: whole(0, 1_000),
  retryDelayMs: ms(0),
  backoff: callable,
  retryIf: callable,
  deadLetter: flagOr(deadLetterOptions, 'true, false or { ttlMs, name }'),
} satisfies Record<keyof MessagingOptions, z.ZodType>)

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(OPTIONS.shape),
  tls: Object.keys(tlsOptions.shape),
  auth: Object.keys(authOptions.shape),
  publish: Object.keys(publishOptions.shape),
  topology: Object.keys(topologyOptions.shape),
  deadLetter: Object.keys(deadLetterOptions.shape),
}
const GROUP_ONLY = ['topics', 'autoStart', 'ordering', 'from', 'unknown']

/** What is wrong with the options by themselves, a line each, and the names of the wrong ones, which nobody should read further. */
export function checkOptions(options: MessagingOptions): { readonly mistakes: readonly string[]; readonly wrong: ReadonlySet<string> } {
  const issues = OPTIONS.safeParse(options).error?.issues ?? []
  const mistakes = issues.flatMap((issue) => {
    const path = issue.path.join('.')
    return issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => unknownOption(path, key))
      : [`${path || 'what is given as options'} ${worded(issue)}`]
  })
  const wrong = new Set(issues.map(({ path: [name] }) => String(name ?? '')))
  return { mistakes: [...mistakes, ...contradictions(options, wrong)], wrong }
}

function worded(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_type' ? `must be an ${issue.expected}` : issue.message
}

function unknownOption(path: string, key: string): string {
  const name = path === '' ? key : `${path}.${key}`
  if (path === '' && GROUP_ONLY.includes(key)) return `${name} is an option of a group: give it to @consumer, on or handle`
  const known = KNOWN[path] ?? Object.keys(topicOptions.shape) // of one topic, whatever its name
  return `${name} is not an option.${didYouMean(key, known) || ` There are ${known.join(', ')}`}`
}

function contradictions({ session, outbox, inbox, ...options }: MessagingOptions, wrong: ReadonlySet<string>): readonly string[] {
  const mistakes: string[] = []
  if (inbox && !outbox)
    mistakes.push(
      'inbox needs an outbox: a crash after the commit would lose what the handler recorded, because its message is not handled again',
    )
  if ((outbox || inbox) && !session)
    mistakes.push(`${outbox ? 'outbox' : 'inbox'} needs a session, in whose transaction it writes: give session`)
  const { maxRetries, retryDelayMs, backoff, retryIf } = options
  if (['maxRetries', 'retryDelayMs', 'backoff', 'retryIf'].some((name) => wrong.has(name))) return mistakes
  try {
    retryPolicy(
      [
        {
          ...(maxRetries !== undefined && { maxRetries }),
          ...(retryDelayMs !== undefined && { retryDelayMs }),
          ...(backoff && { backoff }),
          ...(retryIf && { retryIf }),
        },
      ],
      'none',
      'the retry options',
    )
  } catch (error) {
    mistakes.push(
      error instanceof CorebusError
        ? error.message
        : `backoff fails when it is called: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  return mistakes
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(redactUrl(value).slice(0, 60))
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'undefined') return String(value)
  return Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}
