import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { watchFolder } from './watch.ts'

test('tells of changed code once it has come to rest, in folders that are new too, and of nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-watch-'))
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'a.ts'), '1')
  const told: string[] = []
  const stop = watchFolder(folder, (file) => told.push(file.slice(folder.length + 1)))
  onTestFinished(() => {
    stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const write = (file: string): void => writeFileSync(join(folder, file), String(Math.random()))

  for (const file of ['node_modules/b.js', 'orders.db', 'orders.db-wal', 'a.ts', 'a.ts']) write(file)
  await expect.poll(() => told).toEqual(['a.ts'])

  mkdirSync(join(folder, 'new'))
  await expect.poll(() => told.at(-1)).toBe('new')
  write('new/c.mts')
  await expect.poll(() => told.at(-1)).toBe('new/c.mts')

  // A folder that was replaced is watched again.
  rmSync(join(folder, 'new'), { recursive: true })
  await expect.poll(() => told.length).toBe(4)
  mkdirSync(join(folder, 'new'))
  await expect.poll(() => told.length).toBe(5)
  write('new/d.json')
  await expect.poll(() => told.at(-1)).toBe('new/d.json')
})
