import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { transformWithOxc } from 'vite'
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

test('decorators compiled as vitest does by default, which knows the legacy ones only', async () => {
  const made = project('legacy')
  const { code } = await transformWithOxc(APP, 'main.ts', { decorator: { legacy: true }, target: 'es2022' })
  made.write({ 'main.js': code })
  mkdirSync(join(made.folder, 'node_modules', '@oxc-project'))
  symlinkSync(join(ROOT, 'node_modules', '@oxc-project', 'runtime'), join(made.folder, 'node_modules', '@oxc-project', 'runtime'))
  expect(await happens(made, 'main.js')).toEqual(whatHappens('legacy'))
})
