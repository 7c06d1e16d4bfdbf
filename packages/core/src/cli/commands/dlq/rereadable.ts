import { mkdtempSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { asError, CorebusError } from '../../../errors.ts'

/** What can be read from its beginning more than once. @throws CorebusError USAGE when it is read */
export type Rereadable = () => AsyncIterable<string>

/** Where stdin is a socket `/dev/stdin` cannot be opened, and is read like `-`. */
const STDIN: ReadonlySet<string> = new Set(['-', '/dev/stdin'])
const AT_ONCE_BYTES = 64 * 1024

/**
 * Opens a file once, so that what is put in its place meanwhile is no matter. What is no plain file, such as a pipe or what `<(...)` stands for, is over
 * when it was read: it goes through a temporary file.
 */
export async function withRereadable<T>(file: string, work: (read: Rereadable) => Promise<T>): Promise<T> {
  if (STDIN.has(file)) return withCopy(process.stdin, file, work)
  const handle = await opened(file)
  try {
    const isPlain = (await handle.stat()).isFile()
    return await (isPlain ? work(() => textIn(handle, file)) : withCopy(bytesIn(handle), file, work))
  } finally {
    await handle.close()
  }
}

async function opened(file: string): Promise<FileHandle> {
  try {
    return await open(file)
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

async function withCopy<T>(from: AsyncIterable<Uint8Array>, file: string, work: (read: Rereadable) => Promise<T>): Promise<T> {
  return withTemporaryFile(async (copy) => {
    try {
      for await (const bytes of from) await copy.writeFile(bytes)
    } catch (cause) {
      throw unreadable(file, cause)
    }
    return work(() => textIn(copy, file))
  })
}

/** A file that only this user can read, and that is gone with the process: it holds what is in messages. */
async function withTemporaryFile<T>(work: (file: FileHandle) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-import-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  const file = await open(join(folder, 'letters.jsonl'), 'wx+', 0o600)
  try {
    remove() // An open file needs no name: without one it does not outlive Ctrl-C or a kill.
  } catch {
    // Windows keeps the folder of a file that is open. It is removed when that is closed, or the process ends.
  }
  try {
    return await work(file)
  } finally {
    await file.close()
    remove()
    process.off('exit', remove)
  }
}

async function* textIn(handle: FileHandle, file: string): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  try {
    for await (const bytes of bytesIn(handle, 0)) yield decoder.write(bytes)
  } catch (cause) {
    throw unreadable(file, cause)
  }
  yield decoder.end()
}

/** No stream of Node's: one that is left before its end closes the file that it was given. Without `from` it is read where it stands. */
async function* bytesIn(handle: FileHandle, from?: number): AsyncGenerator<Uint8Array> {
  for (let position = from ?? null; ; ) {
    const { bytesRead, buffer } = await handle.read({ buffer: Buffer.allocUnsafe(AT_ONCE_BYTES), position })
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    if (position !== null) position += bytesRead
  }
}

function unreadable(file: string, cause: unknown): CorebusError {
  return new CorebusError('USAGE', `${file} cannot be read: ${asError(cause).message}`, { cause })
}
