import 'reflect-metadata'
import { deepStrictEqual } from 'node:assert'
import { configureMessaging, consumer, defineEvent, type EventOf, onEvent } from '@corebus/core'
import { autoInjectable, container, injectable, singleton } from 'tsyringe'
import { z } from 'zod'

const UserCreated = defineEvent('user.created', z.object({ id: z.number() }), { topic: 'users' })
type UserCreated = EventOf<typeof UserCreated>

@singleton()
class Mail {
  readonly sent: string[] = []
}

// #region resolve
@consumer('welcome')
@injectable()
export class Welcome {
  constructor(private readonly mail: Mail) {}

  @onEvent(UserCreated)
  send({ data }: UserCreated): void {
    this.mail.sent.push(`welcome ${data.id}`)
  }
}

const messaging = configureMessaging({ service: 'mailer', resolve: (Class) => container.resolve(Class) })
// #endregion resolve

// Those that put a class of their own in the place of the class, above and below ours.
@autoInjectable()
@consumer('above')
export class Above {
  constructor(private readonly mail?: Mail) {}
  @onEvent(UserCreated)
  send({ data }: UserCreated): void {
    this.mail?.sent.push(`above ${data.id} ${this.constructor === Above}`)
  }
}

@singleton()
@consumer('below')
@autoInjectable()
export class Below {
  constructor(private readonly mail?: Mail) {}
  @onEvent(UserCreated)
  send({ data }: UserCreated): void {
    this.mail?.sent.push(`below ${data.id} ${this.constructor === Below}`)
  }
}

await messaging.start()
await messaging.publishEvent(UserCreated, { id: 7 })
const { sent } = container.resolve(Mail)
for (let n = 0; sent.length < 3 && n < 500; n++) await new Promise((resolve) => setTimeout(resolve, 10))
await messaging.close()
deepStrictEqual(sent.toSorted(), ['above 7 true', 'below 7 true', 'welcome 7'])
console.log('ok')
