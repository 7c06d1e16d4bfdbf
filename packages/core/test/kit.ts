import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { MessagingOptions } from '../src/config/messaging-options.ts'
import type { DeadLetter } from '../src/driver.ts'
import { createMessaging, type Messaging, type Types } from '../src/messaging.ts'
import type { Session } from '../src/scope/session.ts'
import { quiet, until } from '../src/testing/conformance/wait.ts'
import { newId } from '../src/wire/id.ts'

export { quiet, until }

export type Line = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string }

/** A logger whose lines can be read. */
export function collector(level = 'debug'): { logger: Logger; lines: Line[] } {
  const lines: Line[] = []
  return { logger: pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) }), lines }
}

type Db<T> = T extends { readonly db: infer D } ? D : unknown

/** An instance on a memory broker of its own, silent unless told otherwise, closed when the test is over. */
export function onMemory<T extends Types = Types>(options: MessagingOptions<Db<T>> = {}): Messaging<T> {
  const messaging = createMessaging<T>({
    broker: 'memory',
    url: `memory://${newId()}`,
    service: 'test',
    shutdownMs: 200,
    abortGraceMs: 100,
    env: {},
    logger: pino({ level: 'silent' }),
    ...options,
  } as never)
  onTestFinished(() => messaging.close())
  return messaging
}

export async function deadLetters(messaging: Messaging<Types>, topic?: string): Promise<readonly DeadLetter[]> {
  return (await messaging.driver()).admin.deadLetters(topic === undefined ? {} : { topic }).then(({ letters }) => letters)
}

/** Resolves when the group has nothing left to do in the topic, and nothing of it is dead. */
export async function allSettled(messaging: Messaging<Types>, topic: string, group: string): Promise<void> {
  const { admin } = await messaging.driver()
  const depth = () => admin.depth(topic, group)
  await until(async () => {
    const { ready, inFlight, delayed, dead } = await depth()
    return ready === 0 && inFlight === 0 && delayed === 0 && dead === 0
  }, depth)
}

/** A session that writes down how it ended. Its `db` is 'tx'. */
export function loggingSession(log: string[]): Session<unknown> {
  return async (work) => {
    try {
      const result = await work('tx')
      log.push('commit')
      return result
    } catch (error) {
      log.push(`rollback: ${error instanceof Error ? error.message : error}`)
      throw error
    }
  }
}
