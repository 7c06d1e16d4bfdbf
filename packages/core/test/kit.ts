import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { MessagingOptions } from '../src/config.ts'
import type { DeadLetter } from '../src/driver.ts'
import { createMessaging, type Messaging, type Types } from '../src/messaging.ts'
import { newId } from '../src/wire/id.ts'

export { quiet, until } from '../src/testing/conformance/wait.ts'

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
  return (await messaging.driver()).admin.deadLetters(topic === undefined ? {} : { topic })
}
