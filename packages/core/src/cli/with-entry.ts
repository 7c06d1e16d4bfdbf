import { asError, CorebusError } from '../errors.ts'
import type { Messaging } from '../messaging.ts'
import { becomeHost } from '../process/hosted.ts'
import { type Given, givenTo } from '../scope/given.ts'
import type { Common } from './common.ts'
import { importCore } from './copy.ts'
import { findEntry, findTsconfig, loadEntry } from './host/entry.ts'
import { findProject, loadEnv } from './project.ts'

/** What a command takes that loads the user's entry. */
export interface WithEntry extends Common {
  readonly entry?: string
  readonly tsconfig?: string
}

export interface Loaded {
  readonly messaging: Messaging
  readonly given: Given
}

export interface EntryOptions {
  /** Whether the instance logs to the standard output, as it does in a service. Default false: there the result of the command stands. */
  readonly logs?: boolean
}

/** The files of a command that loads the user's entry, when the variables of its environment are set. @throws CorebusError USAGE */
export function filesOf({ entry: given, tsconfig, envFile }: WithEntry): { readonly entry: string; readonly tsconfig: string | undefined } {
  const project = findProject()
  loadEnv(project, envFile)
  const entry = findEntry(given, project, { example: '--entry src/messaging.ts' })
  return { entry, tsconfig: tsconfig === undefined ? undefined : findTsconfig(tsconfig, entry) }
}

/**
 * Loads the user's entry for one command, starts nothing of it, and closes its default instance at the end.
 * @throws CorebusError for an entry that cannot be found or loaded; what the work throws
 */
export async function withEntry<T>(
  options: WithEntry,
  work: (loaded: Loaded) => Promise<T>,
  { logs = false }: EntryOptions = {},
): Promise<T> {
  const { entry, tsconfig } = filesOf(options)
  if (!logs) process.env.LOG_LEVEL = 'silent'
  becomeHost()
  const failed = Promise.withResolvers<never>()
  await beside(() => Promise.race([loadEntry(entry, { tsconfig, onFailure: failed.reject }), failed.promise]))
  const messaging = (await importCore(entry)).defaultMessaging()
  try {
    return await work({ messaging, given: givenTo(messaging) })
  } finally {
    await closed(messaging)
  }
}

/** What code prints while it is loaded is no part of the result: many a loader of .env greets. */
async function beside<T>(load: () => Promise<T>): Promise<T> {
  const { stdout, stderr } = process
  const write = stdout.write
  stdout.write = stderr.write.bind(stderr) as typeof write
  try {
    return await load()
  } finally {
    stdout.write = write
  }
}

async function closed(messaging: Messaging): Promise<void> {
  try {
    await messaging.close()
  } catch (thrown) {
    throw new CorebusError('CLOSE', `closing failed: ${asError(thrown).message}`, { cause: thrown })
  }
}
