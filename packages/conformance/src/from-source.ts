// Loaded before a process's own script (--import): it then runs from the sources of the core and not from what is built of them, and these may
// be changed as they are loaded, to see what happens without a safeguard. Only in the repository: Node strips no types of installed packages.

import { writeSync } from 'node:fs'
import { registerHooks } from 'node:module'
import type { LoadedChange, Said } from '@corebus/core/testing/conformance/process'

const changes: readonly LoadedChange[] = JSON.parse(process.env.COREBUS_MUTATION ?? '[]')
const built = new URL('.', import.meta.resolve('@corebus/core')).href
const sources = new URL('../src/', built).href

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context)
    if (!resolved.url.startsWith(built)) return resolved
    return { ...resolved, url: `${sources}${resolved.url.slice(built.length).replace(/\.js$/, '.ts')}`, format: 'module-typescript' }
  },
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const mine = changes.filter((change) => change.url === url)
    if (mine.length === 0) return loaded
    let source = String(loaded.source)
    for (const { find, replace } of mine) {
      if (source.split(find).length !== 2) throw new Error(`"${find}" is not there exactly once in ${url}`)
      // A function, or $ in it would mean something.
      source = source.replace(find, () => replace)
      const said: Said = { kind: 'mutated', find }
      writeSync(1, `@${JSON.stringify(said)}\n`)
    }
    return { ...loaded, source }
  },
})
