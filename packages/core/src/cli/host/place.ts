import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../../process/version.ts'

const FRAME = /(?:^\s*at (?:async )?|\()((?:file:\/\/|\/|[A-Za-z]:[\\/]).*?):(\d+):(\d+)\)?$/
// What V8 puts before the name of a SyntaxError that it found while linking.
const HEAD = /^((?:file:\/\/|\/|[A-Za-z]:[\\/]).*?):(\d+)()$/

/** The first line of a stack that is in the user's own files, as `src/orders.ts:3:5`. */
export function placeIn(stack: string | undefined, cwd: string = process.cwd()): string | undefined {
  for (const line of stack?.split('\n') ?? []) {
    const [, where, row, column] = FRAME.exec(line) ?? HEAD.exec(line) ?? []
    if (where === undefined) continue
    const file = where.startsWith('file://') ? fileURLToPath(where) : where
    if (isOurs(file)) continue
    return `${shown(file, cwd)}:${row}${column === '' ? '' : `:${column}`}`
  }
  return undefined
}

/** As short as it is clear: relative below the working directory. */
export function shown(file: string, cwd: string = process.cwd()): string {
  const path = relative(cwd, file)
  return path.startsWith('..') || path === '' ? resolve(file) : path
}

// Of a linked package (a workspace) the path has no node_modules.
function isOurs(file: string): boolean {
  return file.startsWith(packageRoot) || /[\\/]node_modules[\\/]/.test(file)
}
