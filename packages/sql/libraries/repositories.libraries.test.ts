import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import type { Outside } from './databases.ts'

const { postgres } = inject('servers')
const pages = inject('librariesInstalled') && postgres ? await import('./how-to/repositories.ts') : undefined

describe.each(['overKysely', 'overDrizzle', 'overOwn'] as const)('the page of repositories: %s', (page) => {
  describe.skipIf(!pages)('', () => {
    let db: Outside
    let routes: ReturnType<NonNullable<typeof pages>[typeof page]>
    beforeAll(async () => {
      vi.stubEnv('MESSAGING_BROKER', 'memory') // the pages leave it to the environment
      vi.stubEnv('LOG_LEVEL', 'silent')
      const { fresh } = await import('./databases.ts')
      db = await fresh('PostgreSQL', postgres ?? '', page.toLowerCase())
      await db.run('DROP TABLE orders')
      await db.run('CREATE TABLE orders (id SERIAL PRIMARY KEY, status text NOT NULL, total integer NOT NULL UNIQUE)')
      routes = (pages as NonNullable<typeof pages>)[page](db.at)
    })
    afterAll(async () => {
      await routes?.close()
      await db?.close()
      vi.unstubAllEnvs()
    })

    const ask = async (method: string, path: string, body?: object) => {
      const headers = { 'content-type': 'application/json' }
      const response = await routes.app.request(path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    }

    test('writes, reads in pages, changes and removes', async () => {
      for (const total of [3, 1, 4, 2]) expect((await ask('POST', '/', { status: total % 2 ? 'open' : 'paid', total })).status).toBe(201)
      const first = (await ask('GET', '/?sort=status,-total&limit=3')).body
      expect(first.items.map(({ total }: { total: number }) => total)).toEqual([3, 1, 4])
      const second = (await ask('GET', `/?sort=status,-total&limit=3&cursor=${first.next}`)).body
      expect([second.items, second.next]).toEqual([[{ id: 4, status: 'paid', total: 2 }], null])
      expect((await ask('GET', '/?status=open')).body.items).toHaveLength(2)
      expect((await ask('PATCH', '/4', { total: 5 })).body).toEqual({ id: 4, status: 'paid', total: 5 })
      expect((await ask('PATCH', '/4', {})).body).toEqual({ id: 4, status: 'paid', total: 5 })
      expect((await ask('DELETE', '/4')).status).toBe(204)
    })

    test('answers what is not there, what is taken and what fits nothing', async () => {
      for (const id of ['4', 'four', '9007199254740993', "1' OR '1'='1"])
        expect([id, (await ask('GET', `/${encodeURIComponent(id)}`)).status]).toEqual([id, 404])
      expect((await ask('POST', '/', { status: 'open', total: 3 })).status).toBe(409)
      expect((await ask('PATCH', '/1', { total: 4 })).status).toBe(409)
      expect((await ask('POST', '/', { status: 'open', total: 2 ** 40 })).status).toBe(422)
      expect((await ask('GET', '/?status=%00')).status).toBe(422)
    })
  })
})
