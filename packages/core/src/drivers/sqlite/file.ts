import { closeSync, existsSync, mkdirSync, openSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { CorebusError } from '../../errors.ts'
import { brokerError, isBusy } from './failure.ts'
import { sqliteLibrary } from './library.ts'
import { openSchema } from './schema.ts'

export interface OpenOptions {
  readonly path: string
  readonly durability: 'normal' | 'full'
  readonly readOnly: boolean
  /** Grows no further than this; for tests of a full disk. */
  readonly maxPages: number | undefined
  readonly fileSystemOf: (folder: string) => number
}

/** Names one file on one disk, as long as it exists. */
export type Identity = string

// From linux/magic.h: locks and shared memory of SQLite's WAL do not hold between machines.
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x5346414f, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x47504653, 'GPFS'],
  [0x0bd00bd0, 'Lustre'],
])

const CACHE_KIB = 16_384
const WAL_PAGES_PER_CHECKPOINT = 4_000
const WAL_BYTES_KEPT = 64 * 1024 * 1024

export function filePath(url: string): string {
  if (url.startsWith('file://')) return fileURLToPath(url)
  const path = url.replace(/^sqlite:\/\/(?=\/)/, '').replace(/^(?:sqlite|file):(?:\/\/)?/, '')
  if (path === '' || path === ':memory:') {
    throw new CorebusError(
      'BROKER_FILE_NAME',
      `"${url}" names no file: the embedded broker keeps its messages in one; the broker "memory" keeps none`,
    )
  }
  return resolve(path)
}

export function fileSystemOf(folder: string): number {
  return statfsSync(folder).type >>> 0
}

const OUR_FOLDER = '.core'

/** Opens the file, making it and its directory when they are missing. Throws a CorebusError, or SQLite's "busy", which goes away. */
export function openFile(options: OpenOptions): DatabaseSync {
  const { path } = options
  try {
    prepareFolder(dirname(path))
    refuseNetwork(options)
    createPrivate(path)
    return openDatabase(options)
  } catch (error) {
    throw isBusy(error) ? error : brokerError(error, path)
  }
}

/** Nobody has used the broker here before. The folder that is ours in each project is no surprise; any other file was named by somebody. */
export function isToBeMade(path: string): boolean {
  return !existsSync(path) && basename(dirname(path)) !== OUR_FOLDER
}

function prepareFolder(folder: string): void {
  if (existsSync(folder)) return
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (basename(folder) === OUR_FOLDER) writeFileSync(resolve(folder, '.gitignore'), '*\n')
}

function refuseNetwork({ path, fileSystemOf }: OpenOptions): void {
  const network = NETWORK_FILE_SYSTEMS.get(fileSystemOf(dirname(path)))
  if (network === undefined) return
  throw new CorebusError(
    'BROKER_FILE_NETWORK',
    `the broker's file ${path} is on a network file system (${network}), where SQLite loses messages: use a local disk`,
  )
}

/** SQLite would make it readable for everybody. Never opens an existing file: closing it again would drop the locks this process holds on it. */
export function createPrivate(path: string): void {
  if (existsSync(path)) return
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function openDatabase({ path, durability, readOnly, maxPages }: OpenOptions): DatabaseSync {
  const db = new (sqliteLibrary().DatabaseSync)(path, { readOnly })
  try {
    db.exec('PRAGMA busy_timeout = 0')
    db.exec(`PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`)
    db.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
    db.exec(`PRAGMA wal_autocheckpoint = ${WAL_PAGES_PER_CHECKPOINT}`)
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`)
    openSchema(db, path)
    refuseOtherJournal(db, path)
    if (maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${maxPages}`)
    if (readOnly) db.exec('PRAGMA query_only = ON')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function refuseOtherJournal(db: DatabaseSync, path: string): void {
  const mode = Object.values(db.prepare('PRAGMA journal_mode').get() ?? {})[0]
  if (mode === 'wal') return
  throw new CorebusError(
    'BROKER_FILE_NO_WAL',
    `the broker's file ${path} is in journal mode "${mode}" and its disk does not allow "wal": use a local disk`,
  )
}

/** What `path` names now; undefined when nothing. */
export function identityOf(path: string): Identity | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && `${found.dev}:${found.ino}`
}
