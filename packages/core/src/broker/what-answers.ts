import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A kind of server: what one says to it, and how its answer begins. */
interface Kind {
  /** As the sentence needs it: "what answers there is …". */
  readonly name: string
  readonly hello: Uint8Array
  readonly knows: (answer: Uint8Array) => boolean
}

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const begins =
  (...texts: readonly string[]): Kind['knows'] =>
  (answer) =>
    texts.some((text) => Buffer.from(answer).subarray(0, text.length).equals(latin1(text)))

/** ApiVersions v0 with correlation id 7, without a client id: every Kafka answers it before anyone has logged in. */
const KAFKA_HELLO = Uint8Array.of(0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff)
/** SSLRequest, which PostgreSQL answers with one letter. */
const POSTGRES_HELLO = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47)

interface BrokerKind extends Kind {
  readonly port: number
  /** How one says that it speaks TLS. */
  readonly secure: string
}

/** The brokers that can be expected, by their names in the configuration. */
const BROKERS: Readonly<Record<string, BrokerKind>> = {
  redis: {
    name: 'Redis',
    port: 6379,
    secure: 'rediss:// or tls: true',
    hello: latin1('PING\r\n'),
    knows: begins('+PONG', '-NOAUTH', '-ERR', '-DENIED', '-LOADING'),
  },
  // A channel's frame, or the version that it would rather speak.
  rabbitmq: {
    name: 'RabbitMQ',
    port: 5672,
    secure: 'amqps:// or tls: true',
    hello: latin1('AMQP\0\0\t\u0001'),
    knows: begins('\u0001\0\0', 'AMQP'),
  },
  kafka: {
    name: 'Kafka',
    port: 9092,
    secure: 'tls: true',
    hello: KAFKA_HELLO,
    knows: (answer) =>
      Buffer.from(answer)
        .subarray(4, 8)
        .equals(Uint8Array.of(0, 0, 0, 7)),
  },
}
const OTHERS: readonly Kind[] = [
  { name: 'an HTTP server', hello: latin1('GET / HTTP/1.0\r\n\r\n'), knows: begins('HTTP/') },
  { name: 'PostgreSQL', hello: POSTGRES_HELLO, knows: (answer) => answer.length === 1 && begins('S', 'N')(answer) },
]

const ANSWER_MS = 500

/**
 * Says what answers in the place of a broker that cannot be connected to, in a sentence; undefined when nobody answers, or who was expected. The server is asked
 * as the expected one first, so that a broker which is only slow gets nothing that it does not understand.
 */
export async function whatAnswers(broker: string, url: string, tls: boolean): Promise<string | undefined> {
  const expected = BROKERS[broker]
  const place = expected && firstPlace(url, expected.port)
  if (!expected || !place) return undefined
  const at = `${place.host.includes(':') ? `[${place.host}]` : place.host}:${place.port}`
  if (await answersAs(expected, place))
    return tls ? `${expected.name} answers at ${at} without TLS: the address or tls says that it has it` : undefined
  const others = [...Object.values(BROKERS), ...OTHERS].filter((kind) => kind !== expected)
  const [known, speaksTls] = await Promise.all([
    Promise.all(others.map(async (kind) => ((await answersAs(kind, place)) ? kind : undefined))),
    tls ? false : answersTls(place),
  ])
  const other = known.find((kind) => kind !== undefined)
  if (other) return `What answers at ${at} is ${other.name}, and not ${expected.name}: check the address, and MESSAGING_BROKER`
  return speaksTls ? `What answers at ${at} speaks TLS: use ${expected.secure}` : undefined
}

interface Place {
  readonly host: string
  readonly port: number
}

/** The first server of an address, which may be a list. */
function firstPlace(url: string, port: number): Place | undefined {
  // Who logs in stands before the last "@", and may have any character that is not a slash.
  const [authority = ''] = url.replace(/^[a-z+]+:\/\//i, '').split(/[/?#]/)
  const [first = ''] = authority.slice(authority.lastIndexOf('@') + 1).split(',')
  const parsed = URL.parse(`tcp://${first}`)
  if (!parsed?.hostname) return undefined
  return { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: parsed.port === '' ? port : Number(parsed.port) }
}

function answersAs({ hello, knows }: Kind, place: Place): Promise<boolean> {
  return asked(connectPlain(place), (socket, done) => {
    const parts: Uint8Array[] = []
    socket.on('data', (part: Uint8Array) => {
      parts.push(part)
      if (knows(Buffer.concat(parts))) done(true)
    })
    socket.write(hello)
  })
}

function answersTls({ host, port }: Place): Promise<boolean> {
  // Nothing is sent to it: whoever it says it is, it speaks TLS.
  return asked(connectTls({ host, port, rejectUnauthorized: false }), (socket, done) => {
    socket.on('secureConnect', () => done(true))
  })
}

function asked(socket: Socket, ask: (socket: Socket, done: (answer: boolean) => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(ANSWER_MS, () => done(false))
    // A connect that nobody answers knows no time-out of the socket.
    const late = setTimeout(() => done(false), 2 * ANSWER_MS)
    socket.on('error', () => done(false))
    socket.on('close', () => {
      clearTimeout(late)
      resolve(false)
    })
    ask(socket, done)
  })
}
