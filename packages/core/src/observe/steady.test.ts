import { type Logger, pino } from 'pino'
import { expect, test } from 'vitest'
import { collector } from '../../test/kit.ts'
import { steady } from './steady.ts'

const stringly = (lines: readonly unknown[]) => JSON.stringify(lines)

/** As axios, pg, mysql2, ioredis and undici make them: what was asked hangs on the error, with all that it was asked with. */
const SECRETS: readonly [library: string, error: Error, secrets: readonly string[]][] = [
  [
    'axios',
    Object.assign(new Error('Request failed with status code 401'), {
      code: 'ERR_BAD_REQUEST',
      config: {
        headers: { Authorization: 'Bearer axios-secret-1' },
        url: 'https://u:axios-secret-2@h/p',
        data: '{"password":"axios-secret-3"}',
      },
      response: { headers: { 'set-cookie': ['session=axios-secret-4'] } },
    }),
    ['axios-secret'],
  ],
  [
    'pg',
    Object.assign(new Error('connect ECONNREFUSED postgres://app:pg-secret-1@db/orders'), {
      client: { password: 'pg-secret-2' },
      detail: 'Key (token)=(pg-secret-3)',
    }),
    ['pg-secret'],
  ],
  [
    'mysql2',
    Object.assign(new Error('Access denied'), {
      sql: "INSERT INTO users VALUES ('mysql-secret')",
      code: 'ER_ACCESS_DENIED_ERROR',
      errno: 1045,
    }),
    ['mysql-secret'],
  ],
  [
    'ioredis',
    Object.assign(new Error('WRONGPASS invalid username-password pair'), { command: { name: 'auth', args: ['ioredis-secret'] } }),
    ['ioredis-secret'],
  ],
  [
    'undici',
    new TypeError('fetch failed', {
      cause: Object.assign(new Error('other side closed: authorization: Basic dW5kaWNpLXNlY3JldA=='), {
        socket: { remoteAddress: 'x' },
        options: { token: 'undici-secret' },
      }),
    }),
    ['dW5kaWNpLXNlY3JldA', 'undici-secret'],
  ],
]

test.each(SECRETS)('of an error of %s its secrets are in no line, and what happened is', (_, error, secrets) => {
  const { logger, lines } = collector()
  const calm = steady(logger)
  calm.error({ err: error, group: 'g' }, `failed: ${error.message}`)
  calm.child({ topic: 't' }).warn(error)
  expect(lines).toHaveLength(2)
  for (const secret of secrets) expect(stringly(lines)).not.toContain(secret)
  expect(lines[0]).toMatchObject({ group: 'g', err: { type: error.name, stack: expect.stringContaining('steady.test.ts') } })
})

test('causes and the errors of an aggregate are told, to a depth', () => {
  const { logger, lines } = collector()
  let deep = new Error('the first')
  for (let n = 0; n < 100; n++) deep = new Error(`because ${n}`, { cause: deep })
  steady(logger).error({ err: new AggregateError([new Error('one'), 'two', deep], 'several') }, 'x')
  expect(lines[0]).toMatchObject({
    err: {
      type: 'AggregateError',
      aggregateErrors: [{ message: 'one' }, { message: 'two' }, { message: expect.stringMatching(/^because 99: because 98: /) }],
    },
  })
  expect(stringly(lines).length).toBeLessThan(100_000)
})

test('an error that is its own cause ends somewhere', () => {
  const { logger, lines } = collector()
  const error = new Error('round')
  error.cause = error
  steady(logger).error({ err: error }, 'x')
  expect(lines).toHaveLength(1)
})

test('lines are bounded, and what moves a cursor or forges a line is shown', () => {
  const { logger, lines } = collector()
  steady(logger).info(
    { id: `\u001b[2J${'x'.repeat(50_000)}`, key: 'a\nb' },
    `id \u001b]52;c;aGk=\u0007\r\nforged \u009b31m ${'y'.repeat(50_000)}`,
  )
  const [line] = lines
  expect(line?.msg).toMatch(/^id \\x1b\]52;c;aGk=\\x07\\r\\nforged \\x9b31m y+… \(\d+ more\)$/)
  expect(line).toMatchObject({ id: expect.stringMatching(/^\\x1b\[2Jx+… \(\d+ more\)$/), key: 'a\\nb' })
  expect(stringly(lines).length).toBeLessThan(10_000)
})

test.each<[string, () => Logger]>([
  ['throws', () => pino({ level: 'debug' }, { write: () => expect.fail('full') })],
  [
    'has no more than what is asked for, and throws',
    () => ({ debug: boom, info: boom, warn: boom, error: boom, child: boom }) as unknown as Logger,
  ],
])('a logger that %s takes nothing down', (_, loggerOf) => {
  const calm = steady(loggerOf())
  calm.error({ err: new Error('x') }, 'y')
  calm.trace('not there')
  calm.child({ topic: 't' }).info('z')
  expect(calm.isLevelEnabled('error')).toBe(true)
})

function boom(): never {
  throw new Error('no')
}

test('a child has what it was bound to, and the level of the logger holds, also when it changes', () => {
  const { logger, lines } = collector('info')
  const calm = steady(logger)
  calm.debug('no')
  logger.level = 'debug'
  calm.child({ topic: 't' }).debug('yes')
  expect(lines).toMatchObject([{ topic: 't', msg: 'yes' }])
})
