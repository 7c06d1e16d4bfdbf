import { existsSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CorebusError } from '../../errors.ts'

/** What a process of the suite is started with: a package of its own, which who only runs a service does not install. */
const PROCESSES = '@corebus/conformance'
const built = import.meta.url.endsWith('.js')
let current: boolean | undefined

/**
 * The arguments for plain node. While the suite itself runs from source, what is built is taken as long as it is current (it starts in half the
 * time); an old build would test something else than the rest of the run, so then the source is. So it is where sources are changed as they load.
 *
 * @throws CorebusError CONFIG when the package of the processes is not installed
 */
export function commandFor(script: string, { changed }: { readonly changed: boolean }): readonly string[] {
  const folder = processesFolder()
  current ??= built || (isCurrent(folder) && isCurrent(coreFolder()))
  if (current && !changed) return [join(folder, 'dist', `${script}.js`)]
  return ['--import', join(folder, 'src/from-source.ts'), join(folder, 'src', `${script}.ts`)]
}

function processesFolder(): string {
  try {
    const paths = [import.meta.dirname, process.cwd()]
    return dirname(createRequire(import.meta.url).resolve(`${PROCESSES}/package.json`, { paths }))
  } catch (cause) {
    throw new CorebusError('CONFIG', `this case starts processes of ${PROCESSES}: npm install --save-dev ${PROCESSES}`, { cause })
  }
}

function coreFolder(): string {
  return fileURLToPath(new URL('../../..', import.meta.url))
}

function isCurrent(folder: string): boolean {
  const stamp = join(folder, 'dist/.tsbuildinfo')
  if (!existsSync(stamp)) return false
  const builtAt = statSync(stamp).mtimeMs
  const sources = readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
  return sources
    .filter((name) => name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(name))
    .every((name) => statSync(join(folder, 'src', name)).mtimeMs <= builtAt)
}
