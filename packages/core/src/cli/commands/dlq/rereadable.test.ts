import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Rereadable, withRereadable } from './rereadable.ts'

/** A folder of its own, and one in it for temporary files. */
function folders(): { readonly folder: string; readonly temporary: string } {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-rereadable-'))
  const temporary = join(folder, 'tmp')
  mkdirSync(temporary)
  vi.stubEnv('TMPDIR', temporary)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })
  return { folder, temporary }
}

async function textOf(read: Rereadable): Promise<string> {
  let text = ''
  for await (const part of read()) text += part
  return text
}

const isWindows = process.platform === 'win32'

test.skipIf(isWindows)('what a fifo gives is read twice, from a temporary file that has no name any more', async () => {
  const { folder, temporary } = folders()
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const writing = writeFile(fifo, 'é'.repeat(100_000))
  const found = await withRereadable(fifo, async (read) => [await textOf(read), await textOf(read), readdirSync(temporary)])
  await writing
  expect(found).toEqual(['é'.repeat(100_000), 'é'.repeat(100_000), []])
})

test('of a plain file the one that was there at first is read twice, whatever has its name then', async () => {
  const { folder, temporary } = folders()
  const file = join(folder, 'file')
  writeFileSync(file, 'first')
  const found = await withRereadable(file, async (read) => {
    const before = await textOf(read)
    writeFileSync(join(folder, 'other'), 'other')
    renameSync(join(folder, 'other'), file)
    return [before, await textOf(read)]
  })
  expect([found, readdirSync(temporary)]).toEqual([['first', 'first'], []])
})

test('what cannot be read is said, and leaves no temporary file', async () => {
  const { folder, temporary } = folders()
  const work = async (read: Rereadable) => textOf(read)
  await expect(withRereadable(join(folder, 'nowhere'), work)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/nowhere cannot be read: ENOENT/),
  })
  await expect(withRereadable(folder, work)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/cannot be read: EISDIR/),
  })
  expect(readdirSync(temporary)).toEqual([])
})

test('a reading that is left before its end keeps the next one from nothing', async () => {
  const { folder } = folders()
  const file = join(folder, 'file')
  writeFileSync(file, 'x'.repeat(200_000))
  const length = await withRereadable(file, async (read) => {
    for await (const _ of read()) break
    return (await textOf(read)).length
  })
  expect(length).toBe(200_000)
})
