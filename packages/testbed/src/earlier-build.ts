import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gunzipSync } from 'node:zlib'

/** The build that services ran before this one: all of the core in one file. A new one is kept with `npm run keep-build`. */
const KEPT = 'core-2026-11-26'

/** Where it can be imported from: it finds its libraries where the current build has them, and what it is called where a package says so. */
export function earlierBuild(): string {
  const folder = fileURLToPath(new URL(`../../../node_modules/.corebus-builds/${KEPT}/`, import.meta.url))
  const file = join(folder, 'dist/index.mjs')
  if (!existsSync(file)) {
    // Two test files may do this at once: neither finds half of it.
    const own = `${folder.slice(0, -1)}.${process.pid}`
    mkdirSync(join(own, 'dist'), { recursive: true })
    writeFileSync(join(own, 'package.json'), JSON.stringify({ name: '@corebus/core', version: KEPT.replace('core-', '0.0.0-') }))
    writeFileSync(join(own, 'dist/index.mjs'), gunzipSync(readFileSync(new URL(`../builds/${KEPT}.mjs.gz`, import.meta.url))))
    try {
      renameSync(own, folder)
    } catch (error) {
      if (!existsSync(file)) throw error
      rmSync(own, { recursive: true })
    }
  }
  return pathToFileURL(file).href
}
