import { describe, expect, it } from 'vitest'
import { booted, PATIENCE_MS } from './fixtures/booted.ts'
import { rowsOf } from './fixtures/rows.ts'
import { differences } from './load/differences.ts'
import { runLoad } from './load/run.ts'

const SEED = 7

describe('five hundred orders while processes are killed', () => {
  const system = booted({ ORDER_EXPIRES_AFTER: '5s' })

  it(`every order ends, no piece is lost or sold twice, and the read model is the write side (seed ${SEED})`, {
    timeout: 6 * PATIENCE_MS,
  }, async () => {
    const at = system()
    const { wrong, summary } = await runLoad({ system: at.system, seed: SEED, users: 40, products: 10, orders: 500, kills: 5 })
    expect(wrong, summary).toEqual([])

    const reserved = () => rowsOf(at.folder, 'product-service', `SELECT order_id FROM reservations WHERE status = 'reserved'`)
    await expect.poll(reserved, { timeout: PATIENCE_MS }).toEqual([])
    // The journal has every stock that there ever was.
    const stocks = rowsOf(at.folder, 'query-service', `SELECT body FROM projections_journal WHERE name LIKE 'product.%'`)
    const least = stocks.map(({ body }) => JSON.parse(Buffer.from(body as Uint8Array).toString()).data.stock)
    expect(least.length).toBeGreaterThan(500)
    expect(Math.min(...least)).toBeGreaterThanOrEqual(0)
    // A read model that is made anew from the journal is the same one.
    const rebuilt = await at.system.core('query-service', 'projections', 'rebuild', 'shop', '--json')
    expect(JSON.parse(rebuilt.output)).toMatchObject({ generation: 2 })
    expect(await differences(at.on.ask)).toEqual([])
    const { output } = await at.system.core('order-service', 'dlq', 'list', '--json')
    expect(JSON.parse(output)).toEqual({ letters: [] })
    expect(await at.system.stop()).toEqual([])
  })
})
