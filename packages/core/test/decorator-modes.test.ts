import { readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { makeProject, type Project } from './project.ts'

// As users compile: each compiler by itself, with its own tsconfig, outside of this repository.

const ROOT = resolve(import.meta.dirname, '..', '..', '..')
const APP = readFileSync(join(import.meta.dirname, 'fixtures', 'decorated-app.ts'), 'utf8')
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
