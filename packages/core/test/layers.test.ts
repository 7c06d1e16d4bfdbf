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

const PROTOCOL = `${SRC}/drivers/kafka/protocol/`

/** The folders of the core, each on those before it. What lies beside them is the ground (the contract, errors, time) or the roof. */
const FLOORS = [
  'process',
  'options',
  'wire',
  'envelopes',
  'observe',
  'scope',
  'config',
  'handlers',
  'publish',
  'broker',
  'consumer',
  'operations',
  'decorators',
]
const GROUND = ['contract', 'driver.ts', 'errors.ts', 'clock.ts', 'collections']
const ROOF = ['messaging.ts', 'default.ts', 'close-on-signal.ts', 'index.ts', 'internal.ts', 'instance', 'cli', 'testing']

/** NaN for what has none, which is neither above nor below anything: drivers, whose rules are their own, and what is no part of the core. */
function floorOf(file: string): number {
  const [place = ''] = file.startsWith(`${SRC}/`) ? file.slice(SRC.length + 1).split('/') : []
  if (GROUND.includes(place)) return 0
  if (ROOF.includes(place)) return FLOORS.length + 1
  return FLOORS.includes(place) ? FLOORS.indexOf(place) + 1 : Number.NaN
}

const RULES: readonly [rule: string, broken: (one: Import) => boolean][] = [
  [
    'a driver imports the ground, what drivers share, its own folder and its own client',
    ({ from, to }) => {
      const driver = driverOf(from)
      if (driver === undefined || to.startsWith('node:') || CLIENTS.includes(to.split('/')[0] ?? '')) return false
      if (driverOf(to) === driver || dirname(to) === `${SRC}/drivers`) return false
      return !GROUND.some((place) => to === `${SRC}/${place}` || dirname(to) === `${SRC}/${place}`)
    },
  ],
  [
    'only broker/load-driver.ts knows a driver',
    ({ from, to }) => driverOf(to) !== undefined && driverOf(from) === undefined && from !== `${SRC}/broker/load-driver.ts`,
  ],
  [
    'only client.ts is imported from kafka/protocol',
    ({ from, to }) => to.startsWith(PROTOCOL) && !from.startsWith(PROTOCOL) && to !== `${PROTOCOL}client.ts`,
  ],
  ['no folder imports one above it', ({ from, to }) => floorOf(to) > floorOf(from)],
  ['nothing imports the command line', ({ from, to }) => to.startsWith(`${SRC}/cli/`) && !from.startsWith(`${SRC}/cli/`)],
  [
    'the contract imports nothing else',
    ({ from, to }) => (from === `${SRC}/driver.ts` || dirname(from) === `${SRC}/contract`) && dirname(to) !== `${SRC}/contract`,
  ],
  ['a package reaches another by its name', ({ from, to }) => inRepository(to) && packageOf(to) !== packageOf(from)],
  ['core knows no other package', ({ from, to }) => packageOf(from) === 'core' && to.startsWith('@corebus/')],
  [
    'hono, sql and conformance know core alone',
    ({ from, to }) =>
      ['hono', 'sql', 'conformance'].includes(packageOf(from) ?? '') && to.startsWith('@corebus/') && !/^@corebus\/core(\/|$)/.test(to),
  ],
  [
    'cqrs knows core and sql alone',
    ({ from, to }) => packageOf(from) === 'cqrs' && to.startsWith('@corebus/') && !/^@corebus\/(core|sql)(\/|$)/.test(to),
  ],
  ['a relative import names its file', ({ to }) => inRepository(to) && !to.endsWith('.ts') && !to.startsWith('packages/core/lazy/')],
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

test('every folder of the core has its floor, and at most nine files lie beside them', () => {
  const beside = new Set(sources.filter((file) => file.startsWith(`${SRC}/`)).map((file) => file.slice(SRC.length + 1).split('/')[0] ?? ''))
  expect([...beside].filter((name) => ![...GROUND, ...FLOORS, ...ROOF, 'drivers'].includes(name))).toEqual([])
  expect([...beside].filter((name) => name.endsWith('.ts')).length).toBeLessThanOrEqual(9)
})

// Types too, but inside of a driver: its parts may know each other.
test.each([
  ['no import goes round in a circle', ({ typeOnly }: Import) => !typeOnly],
  [
    'no type goes round in a circle outside of a driver',
    ({ from, to }: Import) => driverOf(from) === undefined || driverOf(from) !== driverOf(to),
  ],
])('%s', (_, counts) => {
  const next = Map.groupBy(
    imports.filter((one) => inRepository(one.to) && counts(one)),
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
