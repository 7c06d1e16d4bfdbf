import { deepStrictEqual, ok } from 'node:assert'
import { NestFactory } from '@nestjs/core'
import { AppModule, messaging, startMessaging } from './app'
import { Cleanup, Sessions } from './cleanup'

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error'] })
  await startMessaging(app)
  await app.listen(0, '127.0.0.1')
  const at = await app.getUrl()
  const asked = async (method: string, path: string) => (await fetch(`${at}/users/${path}`, { method })).status
  // A guard that refuses is asked, wherever @event stands, and nothing is published.
  deepStrictEqual(await Promise.all(['above', 'below', 'between'].map((path) => asked('POST', path))), [403, 403, 403])
  deepStrictEqual([await asked('DELETE', '7'), await asked('POST', 'open/8')], [200, 201])
  const { ended } = app.get(Sessions)
  for (let n = 0; ended.length < 2 && n < 500; n++) await new Promise((resolve) => setTimeout(resolve, 10))
  deepStrictEqual(ended.toSorted(), [7, 8])
  deepStrictEqual([messaging.counters.handled, messaging.counters.published], [2, 2])
  ok((await messaging.resolve(Cleanup as never)) === app.get(Cleanup))
  // As SIGTERM does, after enableShutdownHooks.
  await app.close()
  await messaging.start().then(
    () => Promise.reject(new Error('it was not closed')),
    ({ code }) => deepStrictEqual(code, 'CLOSED'),
  )
  console.log('ok')
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
