import { createHash } from 'node:crypto'
import { CorebusError, type Host } from '@corebus/core'
import { sql } from 'kysely'
import type { SqlDatabase, Transacts } from '../database/database.ts'
import { builder } from '../database/statements.ts'
import type { SqlTx, SqlValue } from '../tx/sql-tx.ts'
import { MARK, type OutboxTables } from './tables.ts'

/** Whose outbox it is: the service that publishes what is in it, and where to. */
export interface Mark {
  readonly service: string
  readonly destination: string
}

/** Two of them and what is around them fit into the column of MySQL. */
const MOST = 100
const HASH = 16

function short(text: string): string {
  if (text.length <= MOST) return text
  return `${text.slice(0, MOST - HASH)}${createHash('sha256').update(text).digest('hex').slice(0, HASH)}`
}

/** An outbox as one instance sees it: its own, or that of another service. */
export interface Marking {
  readonly ours: Mark
  /** Why nothing may be written into it: it would go to the broker of somebody else. */
  refusal(): Error | undefined
  /** @throws CorebusError OUTBOX_SHARED where another service publishes what is in it, to somewhere else */
  check(): Promise<void>
  /** Marks it where it is to be published from here: as the first one, or as the service that has another broker than before. @throws CorebusError OUTBOX_SHARED */
  claim(transacts: Transacts): Promise<void>
  /** Says where what is written into it goes, where others publish it to somewhere else. */
  tell(): Promise<void>
  /** Resolves with what it is marked with. Undefined before its first relay. */
  read(): Promise<Mark | undefined>
  /** Marks it, whoever it was of. */
  takeOver(): Promise<void>
}

export function markingOf(
  database: SqlDatabase,
  { parts, outbox }: OutboxTables,
  { service, destination, logger }: Pick<Host, 'service' | 'destination' | 'logger'>,
): Marking {
  const ours: Mark = { service: short(service), destination: short(destination) }
  let refusal: Error | undefined
  const foreign = (mark: Mark | undefined): CorebusError | undefined =>
    mark && isForeign(mark, ours) ? shared(mark, ours, `${outbox} of ${database.where}`) : undefined
  const read = (transacts: Transacts): Promise<Mark | undefined> => transacts.read((tx) => readMark(tx, parts))
  const refuse = (mark: Mark | undefined): void => {
    const error = foreign(mark)
    if (error && !refusal) logger.error({ err: error }, error.message)
    refusal = error
    if (error) throw error
  }
  return {
    ours,
    refusal: () => refusal,
    async check() {
      const error = foreign(await read(database))
      if (error) throw error
    },
    async claim(transacts) {
      // Most often it is ours already, which takes no lock.
      const before = await read(transacts)
      refuse(before)
      if (before?.destination === ours.destination) return
      await transacts.transaction((tx) => writeMark(tx, parts, ours, before))
      // Somebody else may have been the first.
      refuse(await read(transacts))
      if (before)
        logger.warn(
          `what is in ${outbox} was published to ${before.destination} until now, and is published to ${ours.destination} from now on, what waits in it too. Processes of ${service} that still run with the former settings publish to where they did, until they end`,
        )
    },
    async tell() {
      const mark = await read(database)
      if (mark && isForeign(mark, ours))
        logger.warn(
          `what this service writes into ${outbox} is published by the service ${mark.service}, to ${mark.destination}, and not to its own broker, which is ${ours.destination}`,
        )
    },
    read: () => read(database),
    takeOver: () => database.transaction(async (tx) => writeMark(tx, parts, ours, await readMark(tx, parts))),
  }
}

/** Services with one destination may share an outbox, and a service alone may have another destination than before. */
const isForeign = (mark: Mark, ours: Mark): boolean => mark.service !== ours.service && mark.destination !== ours.destination

function shared(mark: Mark, ours: Mark, where: string): CorebusError {
  return new CorebusError(
    'OUTBOX_SHARED',
    `what is in ${where} is published by the service ${mark.service}, to ${mark.destination}, and this one, ${ours.service}, publishes to ${ours.destination}: events of each would go to the broker of the other. Give this one tables of its own, sqlOutbox({ table: ... }); let both say the same prefix and names, where they have one broker; or, where ${mark.service} publishes there no more, run \`npx corebus outbox move\` once`,
  )
}

async function readMark(tx: SqlTx, parts: string): Promise<Mark | undefined> {
  const { rows } = await query(tx, sql`select owner from ${sql.table(parts)} where part = ${sql.raw(String(MARK))}`)
  const owner = rows[0]?.owner
  if (typeof owner !== 'string') return undefined
  const [service = '', destination = ''] = JSON.parse(owner) as readonly string[] // as we have written it
  return { service, destination }
}

/** Nothing where somebody else has marked it meanwhile. */
async function writeMark(tx: SqlTx, parts: string, ours: Mark, before: Mark | undefined): Promise<void> {
  const unless = before ? sql`owner = ${sql.raw('?')}` : sql`owner is null`
  const statement = sql`update ${sql.table(parts)} set owner = ${sql.raw('?')} where part = ${sql.raw(String(MARK))} and ${unless}`
  await query(
    tx,
    statement,
    [ours, ...(before ? [before] : [])].map(({ service, destination }) => JSON.stringify([service, destination])),
  )
}

function query(tx: SqlTx, statement: ReturnType<typeof sql>, params: readonly SqlValue[] = []): ReturnType<SqlTx['query']> {
  return tx.query(statement.compile(builder(tx.dialect)).sql, params)
}
