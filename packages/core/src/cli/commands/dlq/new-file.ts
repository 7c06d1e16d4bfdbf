import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { asError, CorebusError } from '../../../errors.ts'

/** Where a file system has no links. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'])

/**
 * A file that is readable by its owner alone, has its name only when all of it is written, and is never written over another one. Until then it is
 * `<name>.part`: a part of an export would be taken for all of it.
 */
export class NewFile {
  readonly #path: string
  readonly #part: string
  readonly #file: number
  #isOpen = true

  /** @throws CorebusError USAGE */
  constructor(path: string) {
    this.#path = path
    this.#part = `${path}.part`
    // Before anything is read: a million letters take their time.
    if (existsSync(path)) throw this.#isThere()
    try {
      this.#file = openSync(this.#part, 'wx', 0o600)
    } catch (cause) {
      const left = `${this.#part} is there already, from an export that was interrupted or is running: remove it, or name another`
      throw this.#unwritable(isTaken(cause) ? left : asError(cause).message, cause)
    }
  }

  /** @throws CorebusError USAGE */
  write(text: string): void {
    try {
      writeFileSync(this.#file, text)
    } catch (cause) {
      throw this.#unwritable(asError(cause).message, cause)
    }
  }

  /** @throws CorebusError USAGE */
  finish(): void {
    try {
      // What has the name is on the disk, also when the machine loses its power now.
      fsyncSync(this.#file)
      named(this.#part, this.#path)
    } catch (cause) {
      throw isTaken(cause) ? this.#isThere(cause) : this.#unwritable(asError(cause).message, cause)
    }
    this.discard()
  }

  /** What has not got its name is gone. Safe to call twice, and after `finish`. */
  discard(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    closeSync(this.#file)
    rmSync(this.#part, { force: true })
  }

  #isThere(cause?: unknown): CorebusError {
    return this.#unwritable('it is there already, name another', cause)
  }

  #unwritable(why: string, cause?: unknown): CorebusError {
    return new CorebusError('USAGE', `--out ${this.#path} cannot be written: ${why}`, { cause })
  }
}

/** A link, unlike a rename, is refused where the name is taken. @throws EEXIST */
function named(part: string, path: string): void {
  try {
    linkSync(part, path)
  } catch (thrown) {
    if (!NO_LINKS.has(codeOf(thrown))) throw thrown
    // The name is taken with an empty file of our own, which is the one that is written over.
    closeSync(openSync(path, 'wx', 0o600))
    renameSync(part, path)
  }
}

function isTaken(thrown: unknown): boolean {
  return codeOf(thrown) === 'EEXIST'
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException).code
}
