import { expect, test } from 'vitest'
import { makeProject, type Project } from '../../../test/project.ts'

const options = { env: { MESSAGING_BROKER: 'sqlite', SQLITE_PATH: 'messages.db', SERVICE_NAME: 'shop' } }

/** An entry whose handler is behind an alias, and whose decorators are of the kind that the settings say. */
const FILES = {
  'src/app/consumer.ts': `import { consumer, onEvent } from '@corebus/core'
    import { greet } from '#lib/greet.ts'
    let mode = ''
    const probe = (...args: any[]): void => { mode = typeof args[1] === 'string' ? 'legacy' : 'standard' }
    @consumer('mail', { topics: ['users'] })
    export class Mail {
      @probe
      @onEvent('user.created')
      welcome({ data }: any) { console.log(greet(data.id), mode) }
    }`.replace('#lib', '@lib'),
  'src/lib/greet.ts': "export const greet = (id: number): string => ['hello', id].join(' ')",
}
const PATHS = { paths: { '@lib/*': ['./src/lib/*'] } }
const json = (value: object): string => JSON.stringify(value)

async function handles(project: Project, args: readonly string[], line: string): Promise<void> {
  const consumer = project.start(['consumer', 'src/app/consumer.ts', ...args], options)
  await consumer.says(/consumer started/)
  const event = json({ name: 'user.created', data: { id: 7 }, timestamp: new Date().toISOString(), source: 'test' })
  expect(await project.core(['publish', 'users', event], options)).toMatchObject({ code: 0 })
  await consumer.says(new RegExp(line))
  expect((await consumer.stop()).code).toBe(0)
}

test('aliases of the nearest tsconfig.json, also those of one that it extends', async () => {
  const project = makeProject({
    ...FILES,
    'tsconfig.base.json': json({ compilerOptions: { ...PATHS, experimentalDecorators: true } }),
    'tsconfig.json': json({ extends: './tsconfig.base.json' }),
  })
  await handles(project, [], 'hello 7 legacy')
})

test.each([
  ['alone', []],
  ['in a worker', ['--workers', '1']],
])('--tsconfig names the one of a project that the nearest only refers to: %s', async (_, more) => {
  const project = makeProject({
    ...FILES,
    'tsconfig.json': json({ files: [], references: [{ path: './tsconfig.app.json' }] }),
    'tsconfig.base.json': json({ compilerOptions: { experimentalDecorators: true, composite: true } }),
    'tsconfig.app.json': json({ extends: './tsconfig.base.json', compilerOptions: PATHS, include: ['src'] }),
  })
  await handles(project, ['--tsconfig', 'tsconfig.app.json', ...more], 'hello 7 legacy')
})

test('one that is not there, and one for an entry in JavaScript, are said', async () => {
  const project = makeProject({ ...FILES, 'plain.js': '', 'tsconfig.json': '{}' })
  const run = async (...args: string[]) => (await project.core(['consumer', ...args], options)).stderr
  expect(await run('src/app/consumer.ts', '--tsconfig', 'tsconfig.nosuch.json')).toMatch(
    /there is no file tsconfig\.nosuch\.json to take the settings/,
  )
  expect(await run('plain.js', '--tsconfig', 'tsconfig.json')).toMatch(/--tsconfig is for an entry in TypeScript, and plain\.js is none/)
})
