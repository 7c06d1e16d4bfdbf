// Follows "Add a service" of README.md, file by file and command by command, in a copy of the example beside a system that runs.
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createMessaging } from '@corebus/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { booted, PATIENCE_MS } from './fixtures/booted.ts'
import { path, pay } from './fixtures/races.ts'
import { type Workbench, workbench } from './fixtures/workbench.ts'

const page = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
const section = /^## Add a service\n(.*?)^## /ms.exec(page)?.[1] ?? ''
/** The files that the page gives, by the name that stands above each. */
const files = [...section.matchAll(/(One more line, [^.]* in )?`([\w./-]+)`:\n\n<!-- include \S+ -->\n```\w+\n(.*?)^```$/gms)].map(
  ([, more, name = '', text = '']) => ({ name, text, isMore: more !== undefined }),
)
const commands = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'))

/** Returns what a curl line of the page asks, at the port that the service has here. */
function asked(line: string, port: string): { readonly method: string; readonly url: string } {
  const [, method = 'GET', path] = /^curl (?:-X (\w+) )?http:\/\/localhost:8086(\S+)$/.exec(line) ?? []
  if (path === undefined) throw new Error(`this test cannot ask what ${line} asks`)
  return { method, url: `http://127.0.0.1:${port}${path}` }
}

describe('a service that is added as the README says', () => {
  const system = booted({}, ['user-service', 'product-service', 'order-service', 'product-service consumer', 'order-service consumer'])
  let bench: Workbench
  beforeAll(() => {
    bench = workbench()
    for (const { name, text, isMore } of files) {
      mkdirSync(dirname(join(bench.services, name)), { recursive: true })
      if (isMore) appendFileSync(join(bench.services, name), text)
      else writeFileSync(join(bench.services, name), text)
    }
  })
  afterAll(() => bench?.remove(), PATIENCE_MS)

  it('has under 150 lines', () => {
    const lines = files.filter(({ name }) => !name.endsWith('package.json')).flatMap(({ text }) => text.trimEnd().split('\n'))
    expect(files.length).toBeGreaterThan(10)
    expect(lines.length).toBeLessThan(150)
  })

  it('sees what is bought, ships it, and tells of it', { timeout: 4 * PATIENCE_MS }, async () => {
    const at = system()
    const [install = '', server = '', consumer = '', ...curls] = commands
    expect(install).toBe('npm install')
    bench.install()

    const productId = await at.on.product(5)
    const orderId = await at.on.order(await at.on.user(), [productId, 1])
    expect(await pay(at, orderId)).toMatchObject({ status: 204 })
    expect(path(orderId)).toBe('/api/v1/orders/1')

    const env = { ...at.env, PORT: '0', LOG_LEVEL: 'info' }
    const [, port = ''] = await bench.start(server, env).says(/listens at http:\/\/127\.0\.0\.1:(\d+)/)
    await bench.start(consumer, env).says(/consumer started/)

    const [look = '', ship = '', topics = ''] = curls
    const shipment = asked(look, port)
    const seen = async () => (await fetch(shipment.url)).json()
    await expect.poll(seen, { timeout: PATIENCE_MS }).toMatchObject({ order_id: orderId, status: 'WAITING' })

    const told: unknown[] = []
    const others = createMessaging({ service: 'somebody', env: { ...at.env, LOG_LEVEL: 'silent' } })
    others.on('order.shipped', { topic: 'order.shipped' }, ({ data }) => void told.push(data))
    await others.start()
    const { method, url } = asked(ship, port)
    // Twice is once.
    for (let n = 0; n < 2; n++) expect((await fetch(url, { method })).status).toBe(204)
    expect(await seen()).toMatchObject({ order_id: orderId, status: 'SHIPPED' })
    await expect.poll(() => told, { timeout: PATIENCE_MS }).toMatchObject([{ id: orderId, shipped_at: expect.any(String) }])
    await others.close()

    const shown = bench.start(topics, { ...at.env, LOG_LEVEL: 'warn' })
    await shown.says(/order\.shipped\s+somebody/)
    expect(await shown.ended).toBe(0)
    expect(curls).toHaveLength(3)
  })
})
