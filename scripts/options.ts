// node scripts/options.ts fills the tables of options in the documentation from the declarations in the code; --check only looks whether it is needed.
//
//   <!-- options RETRY maxRetries retryDelayMs -->
//
// stands above a table, and names a declaration and the options of it that the table has. Needs the packages built.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GROUP } from '../packages/core/src/config/group-options.ts'
import { MESSAGING } from '../packages/core/src/config/messaging-options.ts'
import { EXPONENTIAL, LINEAR } from '../packages/core/src/config/retry.ts'
import { RETRY } from '../packages/core/src/config/retry-options.ts'
import { START } from '../packages/core/src/consumer/start-options.ts'
import { CONSUMER } from '../packages/core/src/decorators/consumer.ts'
import { EVENT_DECORATOR } from '../packages/core/src/decorators/event.ts'
import { FUNCTION, MESSAGE_HANDLER, ON_EVENT } from '../packages/core/src/handlers/specs.ts'
import { REPLAY } from '../packages/core/src/operations/replay.ts'
import type { Option, Options } from '../packages/core/src/options/option.ts'
import { MIDDLEWARE } from '../packages/core/src/publish/middleware.ts'
import { EVENT } from '../packages/core/src/scope/publishing.ts'
import { REQUEST } from '../packages/core/src/scope/request.ts'
import { SURVIVES } from '../packages/core/src/testing/survives/options.ts'
import { EVENT_TYPE } from '../packages/core/src/wire/event-type.ts'
import { COLLECTION } from '../packages/cqrs/src/documents/collection.ts'
import { PROJECTION } from '../packages/cqrs/src/projection/projection.ts'
import { PROJECTIONS } from '../packages/cqrs/src/projection/projections.ts'
import { MASTER } from '../packages/cqrs/src/replication/master.ts'
import { REPLICA } from '../packages/cqrs/src/replication/replica.ts'
import { REPLICATION } from '../packages/cqrs/src/replication/replication.ts'
import { ACTION } from '../packages/hono/src/action.ts'
import { JSON_BODY } from '../packages/hono/src/json-body.ts'
import { MODEL_ROUTES } from '../packages/hono/src/model-routes.ts'
import { MOUNT } from '../packages/hono/src/mount.ts'
import { REQUEST_SCOPE } from '../packages/hono/src/request-scope.ts'
import { SQL_INBOX } from '../packages/sql/src/inbox/inbox.ts'
import { LEASE, SQL_LEASES } from '../packages/sql/src/lease/lease.ts'
import { SQL_OUTBOX } from '../packages/sql/src/outbox/outbox.ts'
import { SQL_REPOSITORY } from '../packages/sql/src/repository/repository.ts'
import { SCHEDULE } from '../packages/sql/src/schedule/schedule.ts'
import { SQL_SCHEDULES } from '../packages/sql/src/schedule/schedules.ts'
import { PGLITE_SESSION, SERVER_SESSION, SQL_SESSION } from '../packages/sql/src/session/options.ts'
import { PRISMA_SESSION } from '../packages/sql/src/session/prisma.ts'
import { SQLITE_SESSION } from '../packages/sql/src/session/sqlite.ts'

/** Every declaration of options that users give. */
const DECLARED: Readonly<Record<string, Options>> = {
  MESSAGING,
  GROUP,
  RETRY,
  CONSUMER,
  FUNCTION,
  ON_EVENT,
  MESSAGE_HANDLER,
  EVENT_TYPE,
  EVENT_DECORATOR,
  EVENT,
  START,
  MIDDLEWARE,
  EXPONENTIAL,
  LINEAR,
  REQUEST,
  REPLAY,
  SQLITE_SESSION,
  SQL_INBOX,
  SQL_SCHEDULES,
  SCHEDULE,
  COLLECTION,
  PROJECTION,
  PROJECTIONS,
  MASTER,
  REPLICA,
  REPLICATION,
  SQL_LEASES,
  LEASE,
  PGLITE_SESSION,
  SERVER_SESSION,
  SQL_SESSION,
  PRISMA_SESSION,
  SQL_OUTBOX,
  SURVIVES,
  MOUNT,
  MODEL_ROUTES,
  JSON_BODY,
  SQL_REPOSITORY,
  ACTION,
  REQUEST_SCOPE,
}
/** What a declaration takes from others, which have tables of their own. */
const TAKEN: Readonly<Record<string, readonly Options[]>> = {
  MESSAGING: [RETRY],
  CONSUMER: [GROUP, RETRY],
  FUNCTION: [GROUP],
  ON_EVENT: [RETRY],
  MESSAGE_HANDLER: [RETRY],
  PRISMA_SESSION: [SQL_SESSION],
}
const PAGE = 'docs/reference/options.md'
const MARKER = /^<!-- options (\w+) (.+) -->$/

/** The page with every table as its declaration has it, and what is wrong with its markers. */
export function withTables(page: string): { readonly text: string; readonly mistakes: readonly string[] } {
  const mistakes: string[] = []
  const shown = new Map<string, Set<string>>()
  const lines = page.split('\n')
  const out: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    out.push(line)
    const [, name = '', names = ''] = MARKER.exec(line) ?? []
    if (name === '') continue
    while (lines[i + 1]?.startsWith('|')) i++
    const rows = names.split(' ').flatMap((path) => {
      const option = optionAt(DECLARED[name] ?? {}, path)
      if (!option) mistakes.push(`${name} has no option ${path}`)
      shown.set(name, (shown.get(name) ?? new Set()).add(path.split('.')[0] ?? ''))
      return option ? [`| \`${path.replace('*', '<name>')}\` | ${option.default.toLocaleString('en')} | ${option.text} |`] : []
    })
    out.push('| option | default | meaning |', '| --- | --- | --- |', ...rows)
  }
  for (const [name, options] of Object.entries(DECLARED)) {
    const elsewhere = (TAKEN[name] ?? []).flatMap((taken) => Object.keys(taken))
    const missing = Object.keys(options).filter((option) => !shown.get(name)?.has(option) && !elsewhere.includes(option))
    if (missing.length > 0) mistakes.push(`${PAGE} does not have ${missing.join(', ')} of ${name}`)
  }
  return { text: out.join('\n'), mistakes }
}

function optionAt(options: Options, path: string): Option | undefined {
  const [first = '', ...rest] = path.split('.')
  const option = options[first]
  return option && rest.length > 0 ? optionAt(option.inside ?? {}, rest.join('.')) : option
}

if (process.argv[1] === import.meta.filename) {
  const file = join(import.meta.dirname, '..', PAGE)
  const before = readFileSync(file, 'utf8')
  const { text, mistakes } = withTables(before)
  const check = process.argv.includes('--check')
  if (!check && text !== before) writeFileSync(file, text)
  const said = check && text !== before ? [...mistakes, `${PAGE} is not what the code declares: npm run docs`] : mistakes
  for (const line of said) console.error(line)
  console.log(said.length > 0 ? `${PAGE}: ${said.length} to put right` : `${PAGE}: its tables are what the code declares`)
  if (said.length > 0) process.exitCode = 1
}
