import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withTables } from './options.ts'

const root = join(import.meta.dirname, '..')
const textOf = (path: string) => readFileSync(join(root, path), 'utf8')
const page = (name: string) => textOf(`docs/reference/${name}.md`)
const sorted = (names: Iterable<string>) => [...new Set(names)].sort()

/** What code reads as text, a line or a region at a time, so that a page cannot forget it. */
function between(text: string, from: string, to: string): string {
  const start = text.indexOf(from)
  const end = text.indexOf(to, start + from.length)
  if (start < 0 || end < 0) throw new Error(`"${from} ... ${to}" is not in the source any more: this test has to follow it`)
  return text.slice(start + from.length, end)
}

const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name)

test('the page of errors has every code that is thrown, and no other', () => {
  // A driver that nobody can choose yet throws nothing.
  const loaded = matches(textOf('packages/core/src/broker/load-driver.ts'), /import\('\.\.\/drivers\/(\w+)\/driver\.ts'\)/g)
  expect(loaded).toContain('sqlite')
  const files = globSync('packages/{core,cqrs,hono,sql}/src/**/*.ts', { cwd: root }).filter((file) => {
    const driver = /\/drivers\/(\w+)\//.exec(file)?.[1]
    return !/\.(test|test-d)\.ts$|\/(testing\/conformance|fixtures)\//.test(file) && (driver === undefined || loaded.includes(driver))
  })
  const thrown = files.flatMap((file) => {
    const text = textOf(file)
    return [
      ...matches(text, /(?:Error|refused)\(\s*(?:messages,\s*)?'([A-Z][A-Z_]+)'/g),
      ...matches(text, /PublishError\([^']*'([A-Z][A-Z_]+)'\)/g),
      ...matches(text, /super\(\s*'([A-Z][A-Z_]+)'/g),
      ...matches(text, /\bcode = '([A-Z][A-Z_]+)'/g),
      ...matches(text, /return \[\s*'([A-Z][A-Z_]+)',/g),
    ]
  })
  const rows = page('errors')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  const listed = rows.flatMap((row) => matches(row.split('|')[1] ?? '', /`([A-Z][A-Z_]+)`/g))
  expect(listed).toHaveLength(new Set(listed).size)
  expect(sorted(listed)).toEqual(sorted(thrown))
})

test('the page of the environment has every variable that is read', () => {
  const known = matches(between(textOf('packages/core/src/config/env.ts'), 'const VARIABLES', '\n}'), /^ {2}([A-Z_]+):/gm)
  expect(known.length).toBeGreaterThan(20)
  const listed = page('environment')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((row) => matches(row.split('|')[1] ?? '', /`([A-Z_]+)`/g))
  expect(sorted(listed)).toEqual(sorted([...known, 'NODE_ENV']))
})

test('the page of options has every option that is declared, as it is declared', () => {
  const { text, mistakes } = withTables(page('options'))
  expect([mistakes, text === page('options')]).toEqual([[], true])
})

test('the page of the wire format has every header of ours', () => {
  const ours = matches(between(textOf('packages/core/src/wire/headers.ts'), 'export const HEADER', '} as const'), /: '([a-z-]+)'/g)
  const listed = new Set(matches(page('wire-format'), /`([a-z-]+)`/g))
  expect(ours.filter((name) => !listed.has(name))).toEqual([])
})

/** The page's sections by heading, so that an option is looked for where its command is. */
const sections = new Map(
  page('cli')
    .split(/^## /m)
    .map((section) => [section.split('\n')[0] ?? '', section]),
)

const helps = new Map<string, string>()

/** Each is asked for once: a command takes a second to say it on a busy machine. */
function help(...command: readonly string[]): string {
  const name = command.join(' ')
  const known = helps.get(name) ?? helpOf(command)
  helps.set(name, known)
  return known
}

function helpOf(command: readonly string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'packages/core/bin/core.js'), ...command, '--help'], {
    encoding: 'utf8',
  })
  if (stdout === '') throw new Error(`core ${command.join(' ')} --help printed nothing: npm run build first. ${stderr}`)
  return stdout
}

const commandsOf = (text: string) =>
  matches(text.split('Commands:\n')[1]?.split('\n\n')[0] ?? '', /^ {2}(\w+)/gm).filter((name) => name !== 'help')

const optionsOf = (...command: readonly string[]) =>
  sorted(matches(help(...command), /^ {2}(?:-\w, )?(--[\w-]+)/gm)).filter((option) => option !== '--help')

test('the command has one name: npx corebus, in scripts of package.json and in its reference core', () => {
  const files = globSync(['packages/*/src/**/*.ts', 'examples/**/*.ts', 'docs/**/*.md', 'packages/*/README.md', 'README.md'], {
    cwd: root,
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.test.ts'],
  }).filter((file) => file !== 'docs/reference/cli.md')
  expect(files.length).toBeGreaterThan(500)
  const commands = commandsOf(help()).join('|')
  const otherwise = new RegExp(`(?<!npx |[\\w./@"-])core(?:bus)? (?:${commands})\\b|(?<!npx )corebus (?:${commands})\\b`)
  const wrong = files.flatMap((file) =>
    textOf(file)
      .split('\n')
      .flatMap((line, n) => (otherwise.test(line) ? [`${file}:${n + 1}: ${line.trim()}`] : [])),
  )
  expect(wrong).toEqual([])
})

test('the page of the command line has every command and every option that --help shows, and no other', { timeout: 120_000 }, () => {
  const commands = commandsOf(help()).flatMap((name) => {
    const below = commandsOf(help(name))
    const own = below.length === 0 || optionsOf(name).length > 0 ? [[name]] : []
    return [...own, ...below.map((sub) => [name, sub])]
  })
  expect(commands.length).toBeGreaterThan(3)
  const shown = commands.map((command) => [`core ${command.join(' ')}`, optionsOf(...command)])
  const rows = [...sections].filter(([heading]) => heading.startsWith('core '))
  const listed = rows.map(([heading, section]) => [
    heading,
    sorted(section.split('\n').flatMap((line) => matches(line.split('|')[1] ?? '', /`(--[\w-]+)/g))),
  ])
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(shown))
})
