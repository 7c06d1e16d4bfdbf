import { deepStrictEqual } from 'node:assert'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { server } from './express.ts'
import { app } from './fastify.ts'
import { messaging, UserCreated } from './messaging.ts'

const seen: number[] = []
// What a handler enters (a tenant, a logger's context) no other handler sees, nor what start was called in.
const tenant = new AsyncLocalStorage<string>()
const tenants: unknown[] = []
messaging.on(UserCreated, { group: 'audit' }, ({ data }) => {
  tenants.push(tenant.getStore())
  tenant.enterWith(`of ${data.id}`)
  seen.push(data.id)
})
await tenant.run('starter', () => messaging.start())
if (!server.listening) await once(server, 'listening')
const express = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const fastify = await app.listen({ port: 0, host: '127.0.0.1' })
const asked = async (url: string): Promise<number> => (await fetch(url, { method: 'POST' })).status
deepStrictEqual(await Promise.all([asked(`${express}/users/1`), asked(`${express}/users/13`)]), [201, 500])
deepStrictEqual(await Promise.all([asked(`${fastify}/users/2`), asked(`${fastify}/users/13`)]), [201, 500])
for (let n = 0; seen.length < 2 && n < 500; n++) await new Promise((resolve) => setTimeout(resolve, 10))
server.close()
server.closeAllConnections()
await app.close()
deepStrictEqual(tenants, [undefined, undefined])
deepStrictEqual(
  seen.toSorted((a, b) => a - b),
  [1, 2],
)
console.log('ok')
process.exit(0)
