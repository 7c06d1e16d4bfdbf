import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of this copy of @corebus/core. */
export const packageRoot: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const manifest: unknown = JSON.parse(readFileSync(`${packageRoot}/package.json`, 'utf8'))

export const packageVersion: string =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest && typeof manifest.version === 'string'
    ? manifest.version
    : 'unknown'
