import type { MessagingOptions } from '../config/messaging-options.ts'
import { defaultMessaging } from '../default.ts'
import { CorebusError } from '../errors.ts'
import type { Registered } from '../instance/registrations.ts'
import type { Make, Messaging, TestKit } from '../messaging.ts'
import { registry } from '../process/registry.ts'
import { StandIn } from './stand-in.ts'

/** The stand-ins for the instances of this process, from the import of the kit on. */
export class Kit implements TestKit {
  readonly #standIns = new WeakMap<object, StandIn>()

  standIn(options: MessagingOptions, registered: Registered, make: Make): Messaging {
    const standIn = new StandIn(options, registered, make)
    this.#standIns.set(standIn.messaging, standIn)
    return standIn.messaging
  }

  has(messaging: object): StandIn | undefined {
    return this.#standIns.get(messaging)
  }

  /** @throws CorebusError TEST_KIT_LATE for one that was made before the kit was imported */
  of(messaging: Messaging = defaultMessaging()): StandIn {
    const found = this.#standIns.get(messaging)
    if (found) return found
    const before = registry.messaging as { readonly messaging: object; readonly where?: string } | undefined
    const where = before?.messaging === messaging && before.where !== undefined ? ` at ${before.where}` : ''
    throw new CorebusError(
      'TEST_KIT_LATE',
      `the instance was made${where} before @corebus/core/testing was imported, so it has its broker already. Import '@corebus/core/testing' before the service's own modules: as the first import of the test file`,
    )
  }
}

/** The kit is one for all copies of the package, and for all times that a test runner evaluates it. */
registry.testKit ??= new Kit()

export const kit: Kit = registry.testKit as Kit
