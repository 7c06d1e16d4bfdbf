import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const built = import.meta.url.endsWith('.js')
let current: boolean | undefined

/**
 * Where a child's script lies: beside the suite, for plain node. While the suite itself runs from source, its built scripts are taken as long as
 * they are current (they start in half the time); an old build would test something else than the rest of the run, so then the source is.
 */
export function scriptPath(name: string): string {
  current ??= built || isCurrent()
  if (current && !built) return join(packageFolder(), 'dist/testing/conformance/children', `${name}.js`)
  return fileURLToPath(new URL(`./children/${name}${built ? '.js' : '.ts'}`, import.meta.url))
}

/** The same before it was built: where the package lies in its repository. */
export function sourcePath(name: string): string {
  return join(packageFolder(), 'src/testing/conformance/children', `${name}.ts`)
}

function packageFolder(): string {
  return fileURLToPath(new URL('../../..', import.meta.url))
}

function isCurrent(): boolean {
  const stamp = join(packageFolder(), 'dist/.tsbuildinfo')
  if (!existsSync(stamp)) return false
  const builtAt = statSync(stamp).mtimeMs
  const sources = readdirSync(join(packageFolder(), 'src'), { recursive: true, encoding: 'utf8' })
  return sources
    .filter((name) => name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(name))
    .every((name) => statSync(join(packageFolder(), 'src', name)).mtimeMs <= builtAt)
}
