// Loaded before a child's own script (--import): changes sources as they are loaded, to see what happens without a safeguard.

import { registerHooks } from 'node:module'
import type { LoadedChange } from '../chaos/mutation.ts'
import { say } from './protocol.ts'

const changes: readonly LoadedChange[] = JSON.parse(process.env.COREBUS_MUTATION ?? '[]')

registerHooks({
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
