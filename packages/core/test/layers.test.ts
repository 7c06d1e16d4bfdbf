import { globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..', '..', '..')
const IMPORT = /^\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm
const TESTS = /\.(test|test-d|test-fixture)\.ts$|\/fixtures\//
const CLIENTS = ['kafkajs', 'amqplib', 'redis']

interface Import {
  readonly from: string
  /** A path below the root for a relative import, else a package's name. */
  readonly to: string
  readonly typeOnly: boolean
}

const files = globSync(['packages/*/src/**/*.ts', 'examples/**/*.ts'], { cwd: ROOT, exclude: ['**/node_modules/**', '**/dist/**'] })
const sources = files.filter((file) => file.startsWith('packages/') && !TESTS.test(file))
const importsOf = (from: string): readonly Import[] =>
  [...readFileSync(join(ROOT, from), 'utf8').matchAll(IMPORT)].map(([, type, name, dynamic]) => {
    const to = name ?? dynamic ?? ''
    return { from, to: to.startsWith('.') ? join(dirname(from), to) : to, typeOnly: type !== undefined }
  })
const imports = sources.flatMap(importsOf)

const SRC = 'packages/core/src'
const driverOf = (file: string) => new RegExp(`^${SRC}/drivers/([^/]+)/`).exec(file)?.[1]
const inRepository = (to: string) => to.startsWith('packages/') || to.startsWith('examples/')
const packageOf = (file: string) => file.split('/')[1]

const RULES: readonly [rule: string, broken: (one: Import) => boolean][] = [
  [
    'a driver imports the contract, errors, the clock, what drivers share, its own folder and its own client',
    ({ from, to }) => {
      const driver = driverOf(from)
      if (driver === undefined || to.startsWith('node:') || CLIENTS.includes(to)) return false
      if (driverOf(to) === driver || dirname(to) === `${SRC}/drivers`) return false
      return !['driver.ts', 'errors.ts', 'clock.ts'].some((file) => to === `${SRC}/${file}`)
    },
  ],
  [
    'only broker/load-driver.ts knows a driver',
    ({ from, to }) => driverOf(to) !== undefined && driverOf(from) === undefined && from !== `${SRC}/broker/load-driver.ts`,
  ],
  ['nothing imports the command line', ({ from, to }) => to.startsWith(`${SRC}/cli/`) && !from.startsWith(`${SRC}/cli/`)],
  ['the contract imports nothing', ({ from }) => from === `${SRC}/driver.ts`],
  ['a package reaches another by its name', ({ from, to }) => inRepository(to) && packageOf(to) !== packageOf(from)],
  ['core knows no other package', ({ from, to }) => packageOf(from) === 'core' && to.startsWith('@corebus/')],
  [
    'hono and sql know core alone',
    ({ from, to }) => ['hono', 'sql'].includes(packageOf(from) ?? '') && to.startsWith('@corebus/') && !/^@corebus\/core(\/|$)/.test(to),
  ],
  ['a relative import names its file', ({ to }) => inRepository(to) && !to.endsWith('.ts')],
]

test('there is something to look at', () => {
  expect(sources.length).toBeGreaterThan(50)
  expect(imports.filter(({ from, to }) => driverOf(from) === 'memory' && to === `${SRC}/driver.ts`).length).toBeGreaterThan(3)
  expect(imports.some(({ from, to }) => from === `${SRC}/broker/load-driver.ts` && driverOf(to) === 'memory')).toBe(true)
})

test.each(RULES)('%s', (_, broken) => {
  expect(imports.filter(broken).map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
})

test('examples import packages by their names', () => {
  const relative = files.filter((file) => file.startsWith('examples/')).flatMap(importsOf)
  expect(relative.filter(({ to }) => to.startsWith('packages/')).map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
})

test('no import goes round in a circle', () => {
  const next = Map.groupBy(
    imports.filter(({ to, typeOnly }) => inRepository(to) && !typeOnly),
    ({ from }) => from,
  )
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (done.has(file) || path.includes(file)) return
    for (const { to } of next.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of next.keys()) visit(file, [])
  expect(circles).toEqual([])
})

test('no file has more than 300 lines', () => {
  const lines = (file: string) => readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1
  expect(sources.filter((file) => lines(file) > 300).map((file) => `${file}: ${lines(file)}`)).toEqual([])
})
