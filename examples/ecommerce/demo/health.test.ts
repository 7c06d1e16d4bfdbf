import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { run } from '../../two-apis/demo/child.ts'
import { booted, PATIENCE_MS } from '../fixtures/booted.ts'
import { freePortsInARow } from '../fixtures/free-ports.ts'
import { healthOf } from './health.ts'
import { SERVICES } from './system.ts'

const first = await freePortsInARow(SERVICES.length)
const health = (...args: readonly string[]) =>
  run([fileURLToPath(new URL('./health.ts', import.meta.url)), ...args], { cwd: import.meta.dirname, env: process.env })
const here = ['--first-port', String(first)]

describe('npm run health:ecommerce', () => {
  const ports = Object.fromEntries(SERVICES.map((service, at) => [service, first + at]))
  const system = booted({}, SERVICES, ports)

  it('says each service in a line, and which of them is not ready', { timeout: 2 * PATIENCE_MS }, async () => {
    const well = await health(...here)
    expect(well).toMatchObject({ code: 0, errors: '' })
    expect(well.output.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^SERVICE +URL +READY +WHY NOT$/),
      ...SERVICES.map((service, at) => expect.stringMatching(new RegExp(`^${service} +http://127\\.0\\.0\\.1:${first + at} +yes$`))),
    ])

    await system().system.kill('order-service')
    const ill = await health(...here)
    expect(ill.code).toBe(1)
    expect(ill.output).toMatch(/^order-service .* no +nobody listens there: is it running\?$/m)
    expect(ill.output).toMatch(/^product-service .* yes$/m)
    const { code, output } = await health(...here, '--json')
    expect(code).toBe(1)
    expect(JSON.parse(output)).toEqual(
      SERVICES.map((service, at) => ({
        service,
        url: `http://127.0.0.1:${first + at}`,
        ready: service !== 'order-service',
        reasons: service === 'order-service' ? ['nobody listens there: is it running?'] : [],
      })),
    )
  })

  it('refuses what it does not know in one line, and has a help', async () => {
    expect(await health('--jsn')).toEqual({ code: 2, output: '', errors: "health:ecommerce: Unknown option '--jsn' (--help shows how)\n" })
    expect(await health('--help')).toMatchObject({ code: 0, output: expect.stringContaining('--json') })
  })
})

describe('what answers otherwise', () => {
  it.each([
    [503, JSON.stringify({ ready: false, reasons: ['no broker', 'stopping'] }), ['no broker', 'stopping']],
    [500, '{}', ['it answers 500']],
    [200, '<html>', ['something else listens there: its answer is not ours']],
  ])('with %i and %s is not ready', async (status, body, reasons) => {
    const server = createServer((_, response) => response.writeHead(status).end(body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    expect(await healthOf('user-service', url)).toEqual({ service: 'user-service', url, ready: false, reasons })
    server.closeAllConnections()
    server.close()
  })
})
