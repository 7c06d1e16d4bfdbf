import { execFile } from 'node:child_process'
import { chmodSync, existsSync, globSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kept } from './kept.ts'

const run = promisify(execFile)
const PROGRAMS = ['go', '/usr/local/go/bin/go', '/opt/homebrew/bin/go']
const LEAST = [1, 22]
/** The toolchain for a machine that has no Go. It is a module, and comes from where modules come from. */
const VERSION = 'v0.0.1-go1.26.8'
const DOWNLOAD_MS = 10 * 60_000

/** Go 1.22 or later: the machine's, else the toolchain of the module proxy, which is kept in the user's cache. @throws when neither can be had */
export async function goProgram(): Promise<string> {
  for (const program of PROGRAMS) if (await isNew(program)) return program
  return toolchain()
}

async function isNew(program: string): Promise<boolean> {
  try {
    const { stdout } = await run(program, ['version'])
    const [, major = 0, minor = 0] = /go(\d+)\.(\d+)/.exec(stdout)?.map(Number) ?? []
    return major > (LEAST[0] ?? 0) || (major === LEAST[0] && minor >= (LEAST[1] ?? 0))
  } catch {
    return false
  }
}

async function toolchain(): Promise<string> {
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch as string]
  if (!arch || !['linux', 'darwin'].includes(process.platform))
    throw new Error(`no Go here, and none for ${process.platform}-${process.arch}`)
  const name = `${VERSION}.${process.platform}-${arch}`
  const folder = await kept('go', [name], async (made) => {
    const [proxy = ''] = (process.env.GOPROXY ?? 'https://proxy.golang.org').split(/[,|]/)
    const response = await fetch(`${proxy.replace(/\/$/, '')}/golang.org/toolchain/@v/${name}.zip`, {
      signal: AbortSignal.timeout(DOWNLOAD_MS),
    })
    if (!response.ok) throw new Error(`${response.url} answered ${response.status}`)
    const zip = join(made, 'go.zip')
    writeFileSync(zip, new Uint8Array(await response.arrayBuffer()))
    // Either is on most machines.
    await run('unzip', ['-q', zip, '-d', made]).catch(() => run('python3', ['-m', 'zipfile', '-e', zip, made]))
    rmSync(zip)
    // Zips of modules keep no rights.
    for (const file of globSync(['*/*/bin/*', '*/*/pkg/tool/*/*'], { cwd: made })) chmodSync(join(made, file), 0o755)
  })
  const [go] = globSync('golang.org/toolchain@*/bin/go', { cwd: folder })
  const program = join(folder, go ?? 'bin/go')
  if (!existsSync(program)) throw new Error(`the toolchain in ${folder} has no go`)
  return program
}
