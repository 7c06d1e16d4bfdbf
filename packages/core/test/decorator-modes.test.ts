import { readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { makeProject, type Project } from './project.ts'

// As users compile: each compiler by itself, with its own tsconfig, outside of this repository.

const ROOT = resolve(import.meta.dirname, '..', '..', '..')
const fixture = (name: string): string => readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8')
const APP = fixture('decorated-app.ts')
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

type Mode = 'standard' | 'legacy'

function project(mode: Mode): Project {
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.decorators'],
    module: 'nodenext',
    strict: true,
    skipLibCheck: false,
    outDir: 'out',
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    ...(mode === 'legacy' && { experimentalDecorators: true }),
  }
  return makeProject({ 'main.ts': APP, 'tsconfig.json': JSON.stringify({ compilerOptions, include: ['main.ts'] }) })
}

async function happens({ node }: Project, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await node(args, { env: { LOG_LEVEL: 'silent' } })
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

const whatHappens = (mode: Mode) => ({
  mode,
  happened: [
    // Its name twice: over @event and under it.
    'traced register',
    'traced register',
    'traced welcome',
    'welcome 7 7 1, the 1.',
    'deleted {"id":7}, the 2.',
    'traced rest',
    'rest hello, the 3.',
  ],
})

test.each<Mode>(['standard', 'legacy'])('decorators compiled by tsx, %s', async (mode) => {
  expect(await happens(project(mode), '--import', 'tsx', 'main.ts')).toEqual(whatHappens(mode))
})

test.each<Mode>(['standard', 'legacy'])('decorators compiled by tsc, %s', async (mode) => {
  const made = project(mode)
  expect(await made.node([TSC, '-p', '.'])).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await happens(made, 'out/main.js')).toEqual(whatHappens(mode))
})

test('decorators compiled by vitest as it comes, legacy', async () => {
  const made = project('legacy')
  symlinkSync(join(ROOT, 'node_modules', 'vitest'), join(made.folder, 'node_modules', 'vitest'))
  made.write({
    'main.test.ts': `import { expect, test } from 'vitest'
      import { happened, mode } from './main.ts'
      test('it runs', () => expect({ mode, happened }).toEqual(${JSON.stringify(whatHappens('legacy'))}))`,
  })
  const { code, stdout, stderr } = await made.node([join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run'], { env: { NO_COLOR: '1' } })
  expect([code, stderr, stdout]).toEqual([0, '', expect.stringMatching(/Tests +1 passed/)])
})

const WHERE_REPLACED = {
  asked: ['known', 'known', 'known'],
  calls: ['above.one true', 'above.rest true', 'below.one true', 'between.one true'],
}

// esbuild applies experimental ones by itself and tells nobody: there ours must stand on top, as docs/how-to/decorators.md says.
test.each<[Mode, string]>([
  ['standard', 'tsc'],
  ['legacy', 'tsc'],
  ['standard', 'tsx'],
])(
  'class decorators that put another class in the place of the class, %s, compiled by %s: the one that the container knows runs, once',
  async (mode, compiler) => {
    const made = project(mode)
    made.write({ 'main.ts': fixture('replaced-app.ts') })
    if (compiler === 'tsx') return expect(await happens(made, '--import', 'tsx', 'main.ts')).toEqual(WHERE_REPLACED)
    expect(await made.node([TSC, '-p', '.'])).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await happens(made, 'out/main.js')).toEqual(WHERE_REPLACED)
  },
)

test('the same, legacy, compiled by tsx: on top it runs, and below it is found in `handlers`', async () => {
  const made = project('legacy')
  const onTop = fixture('replaced-app.ts').replace(/@logged\n(@consumer.*\n)/g, '$1@logged\n')
  const listed = fixture('replaced-app.ts').replace("broker: 'memory',", '$&\n  handlers: [Above, Below, Between],')
  for (const app of [onTop, listed]) {
    made.write({ 'main.ts': app })
    expect(await happens(made, '--import', 'tsx', 'main.ts')).toEqual(WHERE_REPLACED)
  }
})
