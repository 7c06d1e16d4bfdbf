import { asError, CorebusError } from '../../errors.ts'

// Primary result codes of SQLite, https://sqlite.org/rescode.html
const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26
// Extended: the file was deleted or renamed while we had it open.
const READONLY_DBMOVED = 8 | (4 << 8)

function resultCode(error: unknown): number | undefined {
  const code = error instanceof Error ? (error as { errcode?: unknown }).errcode : undefined
  return typeof code === 'number' ? code : undefined
}

/** Somebody else is writing: the same again a little later. */
export function isBusy(error: unknown): boolean {
  return ((resultCode(error) ?? 0) & 0xff) === BUSY
}

export function isMissing(error: unknown): boolean {
  return ((resultCode(error) ?? 0) & 0xff) === CANTOPEN
}

export function isMoved(error: unknown): boolean {
  return resultCode(error) === READONLY_DBMOVED || (error instanceof CorebusError && error.code === 'BROKER_FILE_GONE')
}

export function fileGone(path: string): CorebusError {
  return new CorebusError('BROKER_FILE_GONE', `the broker's file ${path} was deleted or replaced while in use; a new one is being made`)
}

export function fileNew(path: string): CorebusError {
  return new CorebusError(
    'BROKER_FILE_NEW',
    `the broker's file ${path} did not exist: a new one was made, without any messages. If there should be some, check SQLITE_PATH and the volume`,
  )
}

export function fileLocked(path: string): CorebusError {
  return new CorebusError(
    'BROKER_FILE_LOCKED',
    `another process has kept the broker's file ${path} locked for too long; nothing was written. Is a database tool or a backup holding it?`,
  )
}

/** What SQLite or the system threw, in words, with what to do. */
export function brokerError(thrown: unknown, path: string): CorebusError {
  if (thrown instanceof CorebusError) return thrown
  const cause = asError(thrown)
  const [code, what] = described(thrown, path)
  return new CorebusError(code, `${what} (${cause.message})`, { cause })
}

function described(thrown: unknown, path: string): readonly [code: string, what: string] {
  const code = resultCode(thrown)
  if (code === undefined) return fromSystem((thrown as { code?: unknown } | null)?.code, path)
  switch (code & 0xff) {
    case BUSY:
      return ['BROKER_FILE_LOCKED', `the broker's file ${path} is locked by another process`]
    case READONLY:
      return [
        'BROKER_FILE_READONLY',
        `the broker's file ${path} cannot be written: check its permissions, its owner and whether its disk is mounted read-only`,
      ]
    case FULL:
      return ['BROKER_DISK_FULL', `the disk of the broker's file ${path} is full: make room, it goes on by itself`]
    case CORRUPT:
      return [
        'BROKER_FILE_CORRUPT',
        `the broker's file ${path} is damaged: stop everything that uses it, keep a copy, and remove it with its -wal and -shm files`,
      ]
    case NOTADB:
      return ['BROKER_FILE_FOREIGN', `${path} is not a database: name another file for the broker`]
    case CANTOPEN:
      return ['BROKER_FILE_PERMISSION', `the broker's file ${path} cannot be opened: check the permissions of it and its directory`]
    case IOERR:
      return ['BROKER_FILE_IO', `reading or writing the broker's file ${path} failed`]
    default:
      return ['BROKER_FILE_FAILED', `the broker's file ${path} could not be used`]
  }
}

function fromSystem(code: unknown, path: string): readonly [code: string, what: string] {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return ['BROKER_DISK_FULL', `the disk of the broker's file ${path} is full: make room`]
    case 'EROFS':
      return ['BROKER_FILE_READONLY', `the broker's file ${path} is on a disk that is mounted read-only`]
    case 'EACCES':
    case 'EPERM':
      return ['BROKER_FILE_PERMISSION', `the broker's file ${path} or its directory cannot be written: check permissions and owner`]
    default:
      return ['BROKER_FILE_FAILED', `the broker's file ${path} could not be used`]
  }
}

/** After `close`. */
export function closed(): CorebusError {
  return new CorebusError('CLOSED', 'the connection to the broker is closed')
}
