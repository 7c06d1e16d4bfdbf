import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'

const SETTLE_MS = 100
// A service may keep its database beside its code: only what is code, or configures it, restarts it.
const SOURCE = /(\.([cm]?[jt]sx?|json)|^\.env.*)$/

/**
 * Calls `onChange` once files of code below `folder` have changed and come to rest. One watcher a folder: the system's recursive one would
 * take in node_modules.
 */
export function watchFolder(folder: string, onChange: (file: string) => void): () => void {
  const watchers = new Map<string, FSWatcher>()
  let settle: NodeJS.Timeout | undefined

  const changed = (file: string): void => {
    clearTimeout(settle)
    settle = setTimeout(() => onChange(file), SETTLE_MS)
  }
  const leave = (path: string): void => {
    watchers.get(path)?.close()
    watchers.delete(path)
  }
  const enter = (path: string): void => {
    if (watchers.has(path)) return
    const watcher = watch(path, (_, name) => {
      if (name !== null) seen(join(path, name), name)
    })
    watcher.on('error', () => leave(path)) // the folder was removed
    watchers.set(path, watcher)
    for (const item of readdirSync(path, { withFileTypes: true }))
      if (item.isDirectory() && isWatched(item.name)) enter(join(path, item.name))
  }
  const seen = (path: string, name: string): void => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found) leave(path)
    const isNewFolder = found?.isDirectory() === true && isWatched(name) && !watchers.has(path)
    if (isNewFolder) enter(path)
    if (isNewFolder || SOURCE.test(name)) changed(path)
  }

  enter(folder)
  return () => {
    clearTimeout(settle)
    for (const path of [...watchers.keys()]) leave(path)
  }
}

function isWatched(name: string): boolean {
  return name !== 'node_modules' && !name.startsWith('.')
}
