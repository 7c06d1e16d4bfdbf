import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { createLogger, type LogStream } from './logger.ts'
import { steady } from './steady.ts'

function collector(terminal: Partial<LogStream> = {}): { stream: LogStream; lines: string[] } {
  const lines: string[] = []
  return { stream: { ...terminal, write: (line: string) => void lines.push(line) }, lines }
}

const parsed = (lines: readonly string[]): unknown[] => lines.map((line) => JSON.parse(line))

describe('elsewhere than on a terminal', () => {
  test('a line is JSON with its service', () => {
    const { stream, lines } = collector()
    createLogger({ level: 'info', service: 'orders-api', stream }).info({ topic: 't' }, 'handled')
    expect(parsed(lines)).toEqual([expect.objectContaining({ service: 'orders-api', topic: 't', msg: 'handled', pid: process.pid })])
    expect(lines[0]).toMatch(/"time":"\d{4}-.*Z"/)
  })

  test('what is below the level is not written, and silent is silent', () => {
    const { stream, lines } = collector()
    createLogger({ level: 'warn', service: 'x', stream }).info('no')
    createLogger({ level: 'silent', service: 'x', stream }).fatal('no')
    createLogger({ level: 'debug', service: 'x', stream }).debug('yes')
    expect(parsed(lines)).toEqual([expect.objectContaining({ msg: 'yes' })])
  })

  test('an error that Corebus itself tells is described once, with its stack and cause', () => {
    const { stream, lines } = collector()
    const error = Object.assign(new Error('boom', { cause: new TypeError('deep') }), { code: 'E1' })
    steady(createLogger({ level: 'info', service: 'x', stream })).warn({ err: error }, 'm')
    expect(parsed(lines)).toEqual([
      expect.objectContaining({
        err: {
          type: 'Error',
          message: 'boom',
          code: 'E1',
          stack: expect.stringMatching(/^Error: boom\n/),
          cause: expect.objectContaining({ message: 'deep' }),
        },
      }),
    ])
  })

  test('secrets are hidden, at the top and one level down, and nothing else is', () => {
    const { stream, lines } = collector()
    const fields = {
      password: 'p',
      auth: { username: 'u', password: 'p' },
      headers: { authorization: 'Bearer x', 'corebus-id': '1' },
      url: 'amqp://u:p@h/v',
      broker: { url: 'redis://:p@h' },
      key: '42',
      error: 'token expired',
    }
    createLogger({ level: 'info', service: 'x', stream }).info(fields, 'm')
    expect(parsed(lines)).toEqual([
      expect.objectContaining({
        password: '***',
        auth: { username: 'u', password: '***' },
        headers: { authorization: '***', 'corebus-id': '1' },
        url: 'amqp://u:***@h/v',
        broker: { url: 'redis://:***@h' },
        key: '42',
        error: 'token expired',
      }),
    ])
    expect(fields.auth.password).toBe('p')
  })

  test('secrets are hidden in what a child logger is bound to', () => {
    const { stream, lines } = collector()
    createLogger({ level: 'info', service: 'x', stream }).child({ url: 'redis://:p@h' }).info('m')
    expect(parsed(lines)).toEqual([expect.objectContaining({ url: 'redis://:***@h' })])
  })

  test('the standard output has the last line before an exit', () => {
    const source = `import { createLogger } from ${JSON.stringify(new URL('./logger.ts', import.meta.url).href)}
      const log = createLogger({ level: 'info', service: 'x' })
      log.info('first'); log.info('last'); process.exit(3)`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8' })
    expect({ stderr, status }).toEqual({ stderr: '', status: 3 })
    expect(parsed(stdout.trim().split('\n'))).toEqual([expect.objectContaining({ msg: 'first' }), expect.objectContaining({ msg: 'last' })])
  })
})

describe('on a terminal', () => {
  test('a line is for people, written at once, without colours it does not have', () => {
    const { stream, lines } = collector({ isTTY: true, hasColors: () => false })
    createLogger({ level: 'info', service: 'orders-api', stream }).info({ topic: 't', password: 'p' }, 'handled')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: orders-api handled \{.*"topic":"t".*\}\n$/)
    expect(lines[0]).toContain('"password":"***"')
  })

  test('colours are used where there are colours', () => {
    const { stream, lines } = collector({ isTTY: true, hasColors: () => true })
    createLogger({ level: 'info', service: 'x', stream }).warn('m')
    expect(lines[0]).toContain('\u001b[')
  })

  test('an error is shown with its stack', () => {
    const { stream, lines } = collector({ isTTY: true })
    createLogger({ level: 'info', service: 'x', stream }).error(new Error('broken', { cause: new Error('deeper') }))
    expect(lines.join('')).toMatch(/broken[\s\S]*at [\s\S]*deeper/)
  })
})
