import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { NewFile } from './new-file.ts'

function pathIn(): { readonly folder: string; readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-new-file-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return { folder, path: join(folder, 'letters.jsonl') }
}

test('a file has its name when all of it is written, and not before', () => {
  const { folder, path } = pathIn()
  const file = new NewFile(path)
  file.write('one\n')
  expect([existsSync(path), statSync(`${path}.part`).mode & 0o777]).toEqual([false, 0o600])
  file.write('two\n')
  file.finish()
  expect([readdirSync(folder), readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual([['letters.jsonl'], 'one\ntwo\n', 0o600])
})

test('what came there meanwhile is not written over, and nothing is left of a file that is not wanted', () => {
  const { folder, path } = pathIn()
  const file = new NewFile(path)
  file.write('ours')
  writeFileSync(path, 'theirs')
  expect(() => file.finish()).toThrow(`--out ${path} cannot be written: it is there already, name another`)
  file.discard()
  file.discard()
  expect([readdirSync(folder), readFileSync(path, 'utf8')]).toEqual([['letters.jsonl'], 'theirs'])
  expect(() => new NewFile(path)).toThrow('it is there already')
})

test('what an interrupted export has left is kept, and said', () => {
  const { path } = pathIn()
  writeFileSync(`${path}.part`, 'a part')
  expect(() => new NewFile(path)).toThrow(`${path}.part is there already, from an export that was interrupted or is running`)
  expect(readFileSync(`${path}.part`, 'utf8')).toBe('a part')
})
