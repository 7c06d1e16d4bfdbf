import { deepStrictEqual, ok } from 'node:assert'
import { consumer, createMessaging, defineEvent, type EventOf, onEvent } from '@corebus/core'
import { z } from 'zod'

const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'users', key: 'id' })

const handled: string[] = []

@consumer('classes')
class Mailer {
  @onEvent(UserCreated, { maxRetries: 1, retryDelayMs: 50 })
  welcome({ data }: EventOf<typeof UserCreated>, { attempt }: { attempt: number }): void {
    if (attempt === 1) throw new Error('tried again')
    handled.push(`class ${data.id}`)
  }
}

async function works(broker: 'memory' | 'sqlite', url?: string): Promise<void> {
  handled.length = 0
  const messaging = createMessaging({ broker, service: 'shop', handlers: [Mailer], ...(url && { url }), env: { LOG_LEVEL: 'silent' } })
  messaging.on(UserCreated, { group: 'functions' }, ({ data }) => void handled.push(`function ${data.id}`))
  await messaging.start()
  await messaging.publishEvent(UserCreated, { id: 7 })
  for (let n = 0; handled.length < 2 && n < 500; n++) await new Promise((resolve) => setTimeout(resolve, 10))
  await messaging.close()
  deepStrictEqual(handled.toSorted(), ['class 7', 'function 7'])
}

ok('bun' in process.versions)
await works('memory')
console.log('memory: ok')
const sqlite = await works('sqlite', `${process.cwd()}/messages.db`).then(
  () => 'ok',
  ({ code, message }) => `${code}: ${message}`,
)
console.log(`sqlite: ${sqlite}`)
if (!/^(ok|NODE_TOO_OLD)/.test(sqlite)) process.exit(1)
console.log('ok')
process.exit(0)
