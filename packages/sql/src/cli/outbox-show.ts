import { CorebusError, type Message } from '@corebus/core'
import {
  age,
  bodyJson,
  bodyLines,
  type Command,
  EXIT_HELP,
  fieldLines,
  headerLines,
  print,
  redactText,
  section,
} from '@corebus/core/internal/cli'
import type { OutboxEntry } from '../outbox/store.ts'
import { asJson } from './outbox-list.ts'
import { type Json, withEntryOptions, withStore } from './parts.ts'

interface Options extends Json {
  readonly full?: true
}

type Shown = OutboxEntry & { readonly message: Message }

const OWN_HEADERS = 'corebus-'

const HELP = `
What it is, why it is where it is, and what is in it, secrets too. A long body
is cut unless --full or --json asks for all of it.

Examples:
  $ npx corebus outbox show 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11
  $ npx corebus outbox show 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11 --json
${EXIT_HELP}`

export function showCommand(outbox: Command): void {
  withEntryOptions(outbox.command('show <id>').description('all that is known of one message'))
    .option('--full', 'the whole body')
    .option('--json', 'as JSON, whole')
    .addHelpText('after', HELP)
    .action(show)
}

async function show(id: string, options: Options): Promise<void> {
  const found = await withStore(options, (store) => store.show(id))
  if (!found) throw new CorebusError('NOT_FOUND', `there is no message ${id} in the outbox: it was published, or never written`)
  await print(options.json ? JSON.stringify(shownJson(found)) : shownText(found, { now: Date.now(), full: options.full === true }))
}

const ownHeaders = ({ headers }: Message): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(OWN_HEADERS)))

function shownJson({ message, ...entry }: Shown): object {
  return { ...asJson(entry), headers: ownHeaders(message), ...(message.tombstone ? { tombstone: true } : bodyJson(message.body)) }
}

function shownText({ message, ...entry }: Shown, { now, full }: { readonly now: number; readonly full: boolean }): string {
  const { id, state, topic, key, event, at, attempts, dueAt, diedAt, error } = entry
  const time = (ms: number) => new Date(ms).toISOString()
  return [
    ...fieldLines([
      ['id', id],
      ['state', state],
      ['topic', topic],
      ['event', event],
      ['key', key],
      ['written', `${time(at)} (${age(now - at)} ago)`],
      ['due', dueAt === undefined ? undefined : `${time(dueAt)} (in ${age(dueAt - now)})`],
      ['died', diedAt === undefined ? undefined : `${time(diedAt)} (${age(now - diedAt)} ago)`],
      ['attempts', String(attempts)],
      ['correlation', message.headers['corebus-correlation']],
      ['causation', message.headers['corebus-causation']],
    ]),
    ...(error === undefined ? [] : section('error', redactText(error))),
    ...headerLines(ownHeaders(message)),
    ...bodyLines(message, full),
  ].join('\n')
}
