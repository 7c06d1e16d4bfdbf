import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Database } from './database.ts'
import { server } from './database.ts'
import { goProgram } from './go.ts'
import { kept } from './kept.ts'
import { missing } from './missing.ts'
import { Owned } from './owned.ts'
import { freePort, listens } from './port.ts'

const run = promisify(execFile)
const SOURCES = join(import.meta.dirname, '..', 'ferretdb')
const FILES = ['main.go', 'go.mod', 'go.sum']
const BUILD_MS = 15 * 60_000

/**
 * A server that speaks MongoDB's language: FerretDB 1 with its SQLite back end, in a folder that is removed afterwards. It is built the first time, which
 * takes minutes, and kept in the user's cache. It has no `$elemMatch`, no pipelines in updates and no transactions.
 * Undefined, with one line that says what to do, where it cannot be built.
 * @throws under CI=true where it cannot be built.
 */
export async function startFerretdb(): Promise<Pick<Database, 'url' | 'port' | 'folder' | 'stop' | 'kill'> | undefined> {
  let program: string
  try {
    program = await built()
  } catch (error) {
    return missing(
      'MongoDB',
      `set MONGO_URI, or let FerretDB be built: install Go 1.22 or later, and let it reach a Go module proxy (${error instanceof Error ? error.message.slice(0, 500) : error})`,
    )
  }
  const folder = mkdtempSync(join(tmpdir(), 'corebus-ferretdb-'))
  const port = await freePort()
  const owned = new Owned()
  owned.folder(folder)
  const args = [`127.0.0.1:${port}`, `file:${folder}/`]
  const { stop, kill } = await server({ owned, program, args, folder, user: undefined, stopBy: 'SIGTERM', answers: () => listens(port) })
  return { url: `mongodb://127.0.0.1:${port}/`, port, folder, stop, kill }
}

/** The program, from the user's cache. */
async function built(): Promise<string> {
  const from = FILES.map((name) => join(SOURCES, name))
  const folder = await kept('ferretdb', from, async (made) => {
    const go = await goProgram()
    const sources = mkdtempSync(join(tmpdir(), 'corebus-ferretdb-build-'))
    const owned = new Owned()
    owned.folder(sources)
    try {
      for (const name of FILES) copyFileSync(join(SOURCES, name), join(sources, name))
      await run(go, ['build', '-o', join(made, 'ferretdb'), '.'], {
        cwd: sources,
        timeout: BUILD_MS,
        env: { ...process.env, GOTOOLCHAIN: 'local' },
      })
    } finally {
      await owned.end()
    }
  })
  const program = join(folder, 'ferretdb')
  if (!existsSync(program)) throw new Error(`${program} is not there`)
  return program
}
