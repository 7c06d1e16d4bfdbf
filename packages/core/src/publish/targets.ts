import type { Driver, Message } from '../driver.ts'
import { CorebusError, PublishError } from '../errors.ts'

/**
 * Messages for an exchange of others, as this broker takes them: where nothing of others is they go into the log of their topic, which `onAside` says.
 * @throws PublishError TARGET where the broker has no exchanges
 */
export function forTargets(driver: Driver, messages: readonly Message[], onAside: (driver: Driver) => void): readonly Message[] {
  const { sources, targets } = driver.capabilities
  if (targets) return messages
  if (!sources) {
    onAside(driver)
    return messages.map(({ target: _, ...message }) => message)
  }
  const cause = new CorebusError(
    'TARGET',
    `the ${driver.name} broker has no exchanges: publish to the topic, without exchange and routingKey. RabbitMQ has them; memory and SQLite take such a message as one of its topic`,
  )
  throw new PublishError(
    messages.map(({ id }) => ({ id, permanent: true, cause })),
    'TARGET',
  )
}
