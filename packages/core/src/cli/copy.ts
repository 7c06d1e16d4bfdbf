import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

export type Core = typeof import('../index.ts')

/**
 * The copy of this package that `file` imports: its registry is the one the handlers are in. Ours, where it imports none.
 * Nothing in cli/ may import the registry itself, or two versions would meet in one process.
 */
export async function importCore(file: string): Promise<Core> {
  const path = resolveFrom(file, '@corebus/core')
  return path === undefined ? import('../index.ts') : ((await import(pathToFileURL(path).href)) as Core)
}

/** Where `specifier` lies for `file`, or undefined when it is not installed there. */
export function resolveFrom(file: string, specifier: string): string | undefined {
  try {
    return createRequire(file).resolve(specifier)
  } catch {
    return undefined // said by whoever needs it, who knows what to install
  }
}
