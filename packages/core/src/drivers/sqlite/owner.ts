import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { isMissing } from './failure.ts'
import { createPrivate } from './file.ts'
import { sqliteLibrary } from './library.ts'

/**
 * A process that is alive holds an exclusive lock on a tiny file of its own; the system drops it when the process ends, however it ends. A frozen
 * or blocked process keeps it. No clock is read, so none can be wrong.
 */
export interface OwnerFile {
  readonly name: string
  /** False when somebody removed the file: others then take us for dead. */
  held(): boolean
  release(): void
}

const ORPHANED_AFTER_MS = 60_000

export function ownersFolder(path: string): string {
  return `${path}-members`
}

export function holdOwnerFile(path: string): OwnerFile {
  const folder = ownersFolder(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const name = randomUUID()
  const file = join(folder, name)
  createPrivate(file)
  const lock = open(file, { readOnly: false })
  // No journal beside it: a killed process would leave one behind.
  lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  const { ino } = statSync(file)
  let released = false
  return {
    name,
    held: () => statSync(file, { throwIfNoEntry: false })?.ino === ino,
    release() {
      if (released) return
      released = true
      lock.close()
      rmSync(file, { force: true })
    },
  }
}

/** True when the process that made the file is gone. Readers need a lock too, and get it only then. */
export function ownerIsDead(path: string, name: string): boolean {
  let probe: DatabaseSync | undefined
  try {
    probe = open(join(ownersFolder(path), name), { readOnly: true })
    probe.prepare('PRAGMA schema_version').get()
    return true
  } catch (error) {
    // Anything but "no such file" proves nothing, and taking over from the living handles messages twice.
    return isMissing(error) && !existsSync(join(ownersFolder(path), name))
  } finally {
    probe?.close()
  }
}

export function removeOwnerFile(path: string, name: string): void {
  rmSync(join(ownersFolder(path), name), { force: true })
}

/** Files of processes that died before they were registered or right after they were released. The age protects one that is just being made. */
export function sweepOwnerFiles(path: string, registered: ReadonlySet<string>): void {
  const folder = ownersFolder(path)
  for (const name of readdirSync(folder)) {
    if (registered.has(name)) continue
    const found = statSync(join(folder, name), { throwIfNoEntry: false })
    if (found && Date.now() - found.mtimeMs > ORPHANED_AFTER_MS && ownerIsDead(path, name)) removeOwnerFile(path, name)
  }
}

function open(file: string, { readOnly }: { readOnly: boolean }): DatabaseSync {
  const db = new (sqliteLibrary().DatabaseSync)(file, { readOnly })
  db.exec('PRAGMA busy_timeout = 0')
  return db
}
