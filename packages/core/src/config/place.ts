import { dirname, join, resolve } from 'node:path'
import { fs } from '../process/built-in.ts'

const ROOT_MARKS = ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', '.git']

/** The embedded broker's file: beside the nearest lock file or `.git`, so that the services of one repository meet in it. */
export function embeddedFile(cwd: string): string {
  const root = above(cwd).find((folder) => ROOT_MARKS.some((mark) => fs().existsSync(join(folder, mark)))) ?? resolve(cwd)
  return join(root, '.core', 'messages.db')
}

/** The name in the nearest package.json that has one, without its scope. */
export function packageName(cwd: string): string | undefined {
  return nearest(cwd, 'name')?.replace(/^@[^/]*\//, '')
}

/** The version in the nearest package.json that has one. */
export function packageVersion(cwd: string): string | undefined {
  return nearest(cwd, 'version')
}

function nearest(cwd: string, field: 'name' | 'version'): string | undefined {
  for (const folder of above(cwd)) {
    const said = fieldIn(join(folder, 'package.json'), field)
    if (said !== undefined) return said
  }
  return undefined
}

function fieldIn(file: string, field: 'name' | 'version'): string | undefined {
  try {
    const manifest: unknown = JSON.parse(fs().readFileSync(file, 'utf8'))
    const said = typeof manifest === 'object' && manifest !== null ? (manifest as Record<string, unknown>)[field] : undefined
    return typeof said === 'string' && said !== '' ? said : undefined
  } catch {
    // Missing or unreadable: it says nothing, and a service without any name is an error of its own.
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
