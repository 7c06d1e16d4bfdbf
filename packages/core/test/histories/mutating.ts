import { pathToFileURL } from 'node:url'
import type { LoadedChange } from '../../src/testing/conformance/chaos/mutation.ts'

/** A plugin of Vite: the changes that `from-source.ts` makes in a process of Node, in one of Vitest, which loads its modules by itself. */
export function mutating(changes: readonly LoadedChange[] = JSON.parse(process.env.COREBUS_MUTATION ?? '[]')): {
  readonly name: string
  readonly enforce: 'pre'
  transform(code: string, id: string): string | undefined
} {
  return {
    name: 'mutating',
    enforce: 'pre',
    transform(code, id) {
      const url = pathToFileURL(id.split('?')[0] ?? id).href
      const mine = changes.filter((change) => change.url === url)
      return mine.length === 0 ? undefined : mine.reduce((text, { find, replace }) => text.replace(find, () => replace), code)
    },
  }
}
