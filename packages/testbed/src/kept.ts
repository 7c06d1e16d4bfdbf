import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * A folder of the user's cache, beside Kafka's jars, that `make` fills once. Its name carries a hash of what it is made from (texts, and the content
 * of files), so that another version of what is in it is another folder.
 */
export async function kept(name: string, madeFrom: readonly string[], make: (folder: string) => Promise<void>): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'corebus')
  const hash = createHash('sha256')
  for (const part of madeFrom) hash.update(existsSync(part) ? readFileSync(part) : part)
  const folder = join(cache, `${name}-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  // Made elsewhere and moved, so that nobody sees half of it.
  const made = mkdtempSync(join(cache, `${name}-`))
  try {
    await make(made)
    if (!existsSync(folder)) renameSync(made, folder)
    return folder
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}
