import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { brokenLinks, filled } from './docs.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-docs-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

function run(folder: string, ...args: readonly string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'docs.ts'), ...args, folder], {
    encoding: 'utf8',
  })
  return { code: status, out: stdout, err: stderr }
}

const SOURCE = [
  'import x',
  '  // #region greet',
  "  const a = 'hello'",
  '  // #region inner',
  '    b()',
  '  // #endregion inner',
  '',
  '  // #endregion greet',
  '',
].join('\n')
const page = (...lines: readonly string[]) => lines.join('\n')
const read = (path: string) =>
  ({ 'a.ts': SOURCE, 'twice.ts': '// #region x\n// #endregion x\n// #region x\n// #endregion x\n', 'b.json': '{ "a": 1 }\n' })[path]

describe('a block below an include line', () => {
  test('is the region, without its indentation and the marks of other regions', () => {
    const { text, stale, problems } = filled(page('<!-- include a.ts#greet -->', '```ts', 'old', '```', 'after'), read)
    expect(text).toBe(page('<!-- include a.ts#greet -->', '```ts', "const a = 'hello'", '  b()', '', '```', 'after'))
    expect(stale).toEqual([{ line: 2, what: 'the block is not what a.ts#greet says: run node scripts/docs.ts' }])
    expect(problems).toEqual([])
  })

  test('is not stale once it was filled', () => {
    const { text } = filled(page('<!-- include a.ts#greet -->', ''), read)
    expect(filled(text, read)).toEqual({ text, problems: [], stale: [] })
  })

  test('is the whole file when no region is named, in the language of its name', () => {
    expect(filled('<!-- include b.json -->', read).text).toBe(page('<!-- include b.json -->', '```json', '{ "a": 1 }', '```'))
  })

  test('keeps the indentation of its include line, as in a list', () => {
    expect(filled('  <!-- include a.ts#inner -->', read).text).toBe(page('  <!-- include a.ts#inner -->', '  ```ts', '  b()', '  ```'))
  })

  test.each([
    ['missing.ts#greet', 'there is no file missing.ts'],
    ['a.ts#nowhere', 'a.ts has no region nowhere: mark it with // #region nowhere and // #endregion nowhere'],
    ['twice.ts#x', 'twice.ts must open and close region x once: // #region x ... // #endregion x'],
  ])('of %s is a problem of that line, and is left as it is', (include, what) => {
    const before = page('text', `<!-- include ${include} -->`, '```ts', 'old', '```')
    expect(filled(before, read)).toEqual({ text: before, problems: [{ line: 2, what }], stale: [] })
  })
})

test('a typed-in block is a problem unless it is a command line', () => {
  const { problems } = filled(page('```sh', 'npm ci', '```', '```ts', '<!-- include a.ts#greet -->', '```', '```', 'x', '```'), read)
  expect(problems.map(({ line, what }) => [line, what.split(':')[0]])).toEqual([
    [4, 'a typed-in ts block'],
    [7, 'a block without a language'],
  ])
})

test('a relative link must lead to a file and, with an anchor, to a heading', () => {
  const links = page(
    '# The `send` call, twice',
    '[a](b.md) [b](b.md#its-end) [c](c.md) [d](b.md#no) [e](#the-send-call-twice) [f](https://x.org)',
    '```sh',
    '[g](h.md)',
    '```',
  )
  expect(brokenLinks(links, (link) => (link === 'b.md' ? '## Its end' : undefined))).toEqual([
    { line: 2, what: 'the link c.md leads to no file' },
    { line: 2, what: 'the link b.md#no leads to no heading of that page' },
  ])
})

describe('the command', () => {
  test('writes the blocks, and has nothing to say afterwards', () => {
    const folder = folderWith({
      'README.md': '<!-- include src/a.ts#greet -->\n',
      'src/a.ts': SOURCE,
      'docs/how-to/x.md': '[home](../../README.md)\n',
    })
    expect(run(folder, '--check')).toMatchObject({
      code: 1,
      err: expect.stringContaining('README.md:2 the block is not what src/a.ts#greet says: run node scripts/docs.ts'),
    })
    expect(run(folder).code).toBe(0)
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe(
      "<!-- include src/a.ts#greet -->\n```ts\nconst a = 'hello'\n  b()\n\n```\n",
    )
    expect(run(folder, '--check')).toMatchObject({ code: 0, out: '2 pages: blocks and links are right\n' })
  })

  test('fails with file and line for what it cannot put right, also without --check', () => {
    const folder = folderWith({ 'docs/a.md': 'text\n\n[b](b.md)\n', 'node_modules/x/README.md': '[c](c.md)\n' })
    expect(run(folder)).toMatchObject({ code: 1, err: 'docs/a.md:3 the link b.md leads to no file\n1 problems\n' })
  })
})
