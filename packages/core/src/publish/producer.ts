import { asError, PublishError, type PublishFailure } from '../errors.ts'
import type { Producer, SendOptions } from '../scope/publishing.ts'
import type { Outlet, Recorded } from '../scope/scope.ts'
import { newId } from '../wire/id.ts'
import { type OutgoingDefaults, plainMessage } from './message.ts'

export function createProducer(outlet: Outlet, defaults: OutgoingDefaults): Producer {
  async function sendAll(topic: string, messages: readonly ({ readonly message: unknown } & SendOptions)[]): Promise<void> {
    const possible: Recorded[] = []
    const failures: PublishFailure[] = []
    for (const { message, ...options } of messages) {
      const id = options.id ?? newId(defaults.now())
      try {
        possible.push({ message: plainMessage(topic, message, { ...options, id }, defaults), outlet })
      } catch (thrown) {
        failures.push({ id, permanent: true, cause: asError(thrown) })
      }
    }
    let code: string | undefined
    try {
      await outlet.publish(possible)
    } catch (thrown) {
      if (!(thrown instanceof PublishError)) throw thrown
      failures.push(...thrown.failures)
      code = thrown.code
    }
    if (failures.length > 0) throw new PublishError(failures, code)
  }

  return {
    send: async (topic, message, options = {}) => outlet.publish([{ message: plainMessage(topic, message, options, defaults), outlet }]),
    sendAll,
  }
}
