import { join } from 'node:path'
import { styleText } from 'node:util'
import type { Logger } from 'pino'
import { loadPino } from '../../lazy/pino.cjs'
import type { MessagingOptions } from '../config/messaging-options.ts'
import type { Driver } from '../driver.ts'
import { COMMAND } from '../errors.ts'
import type { Messaging } from '../messaging.ts'
import type { Common } from './common.ts'
import { type Core, importCore } from './copy.ts'
import { checkDurable } from './durable.ts'
import { findProject, loadEnv } from './project.ts'

export interface Broker {
  readonly core: Core
  readonly messaging: Messaging
  readonly driver: Driver
}

/**
 * Connects to the broker that the environment names, for one command. What is configured in the service's code is not seen: that would mean
 * to run it. @throws CorebusError USAGE where no other process could meet us there.
 */
export async function withBroker<T>(
  command: string,
  { envFile, verbose }: Common,
  work: (broker: Broker) => Promise<T>,
  configured: Pick<MessagingOptions, 'topology'> = {},
): Promise<T> {
  const project = findProject()
  loadEnv(project, envFile)
  const core = await importCore(join(project.folder, 'package.json'))
  const messaging = core.createMessaging({ ...configured, logger: stderrLogger(verbose === true) })
  try {
    const driver = await messaging.driver()
    checkDurable(`${COMMAND} ${command}`, driver)
    return await work({ core, messaging, driver })
  } finally {
    await messaging.close()
  }
}

/** What a command logs is for whoever typed it: plain lines, beside the result and not in it. */
export function stderrLogger(verbose: boolean): Logger {
  const write = (text: string): void => {
    const { level, msg } = JSON.parse(text) as { level: string; msg: string }
    const isTrouble = level === 'warn' || level === 'error'
    process.stderr.write(`${styleText(isTrouble ? 'yellow' : 'dim', isTrouble ? `${level}: ${msg}` : msg, { stream: process.stderr })}\n`)
  }
  return loadPino().pino({ level: verbose ? 'debug' : 'info', formatters: { level: (level) => ({ level }) } }, { write })
}
