// Loaded before a process's own script (--import): it then runs from the sources of the packages and not from what is built of them, changed as they are loaded.
import { registerHooks } from 'node:module'
import type { LoadedChange } from './mutation.ts'
import { say } from './protocol.ts'

const changes: readonly LoadedChange[] = JSON.parse(process.env.COREBUS_MUTATION ?? '[]')
const packages = ['@corebus/core', '@corebus/sql'].map((name) => {
  const built = new URL('.', import.meta.resolve(name)).href
  return { built, sources: new URL('../src/', built).href }
})

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context)
    const mine = packages.find(({ built }) => resolved.url.startsWith(built))
    if (!mine) return resolved
    const file = resolved.url.slice(mine.built.length).replace(/\.js$/, '.ts')
    return { ...resolved, url: `${mine.sources}${file}`, format: 'module-typescript' }
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
      say({ kind: 'mutated', find })
    }
    return { ...loaded, source }
  },
})
