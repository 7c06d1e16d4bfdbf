import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const ROOT_MARKS = ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', '.git']

/** The embedded broker's file: beside the nearest lock file or `.git`, so that the services of one repository meet in it. */
export function embeddedFile(cwd: string): string {
  const root = above(cwd).find((folder) => ROOT_MARKS.some((mark) => existsSync(join(folder, mark)))) ?? resolve(cwd)
  return join(root, '.core', 'messages.db')
}

/** The name in the nearest package.json that has one, without its scope. */
export function packageName(cwd: string): string | undefined {
  for (const folder of above(cwd)) {
    const name = nameIn(join(folder, 'package.json'))
    if (name !== undefined) return name
  }
  return undefined
}

function nameIn(file: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'))
    const name = typeof manifest === 'object' && manifest !== null && 'name' in manifest ? manifest.name : undefined
    return typeof name === 'string' && name !== '' ? name.replace(/^@[^/]*\//, '') : undefined
  } catch {
    // Missing or unreadable: it has no name to give, and a service without any name is an error of its own.
    return undefined
  }
}

/** The folder itself, and those around it. */
export function above(cwd: string): readonly string[] {
  const folders = [resolve(cwd)]
  for (;;) {
    const last = folders[folders.length - 1] as string
    const parent = dirname(last)
    if (parent === last) return folders
    folders.push(parent)
  }
}
