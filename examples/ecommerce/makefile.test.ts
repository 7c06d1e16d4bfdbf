import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { composeFile, ROOT } from '../../scripts/compose.ts'
import { parseChoice } from './demo/choice.ts'
import { SERVICES } from './demo/system.ts'
import { TOPICS } from './demo/topics.ts'
import { PATIENCE_MS } from './fixtures/booted.ts'
import { embedded } from './fixtures/folder.ts'
import { EXAMPLE, shell } from './fixtures/shell.ts'

/** As in the system that this example is written after. */
const TARGETS =
  'dev-setup up down status run-user run-product run-order run-query health create-topics logs-kafka logs-mysql logs-mongo logs-query lint test build-all clean help'.split(
    ' ',
  )
const makefile = readFileSync(join(EXAMPLE, 'Makefile'), 'utf8')
const recipes = new Map(
  [...makefile.matchAll(/^([a-z-]+):.*## .+\n((?:\t.*\n)*)/gm)].map(
    ([, name = '', lines = '']) => [name, lines.trimEnd().split('\n')] as const,
  ),
)
const scripts: Readonly<Record<string, string>> = parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts
const plan = (target: string, env: NodeJS.ProcessEnv = {}) => shell(`make --no-print-directory -n ${target}`, { env })

describe.each(TARGETS)('make %s', (target) => {
  it('is one line over what exists', async () => {
    expect(recipes.get(target)).toHaveLength(1)
    const { code, output, errors } = await plan(target)
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(output).not.toBe('')
    for (const [, script = ''] of output.matchAll(/npm (?:--silent --prefix \S+ )?run (\S+)/g)) expect(scripts).toHaveProperty([script])
  })

  it('names servers that are in the compose file', async () => {
    const [, named = ''] = /docker compose --project-directory \S+ (?:up|logs)(.*)$/m.exec((await plan(target)).output) ?? []
    const servers = named.split(' ').filter((word) => /^[a-z]/.test(word))
    expect(servers.length > 0).toBe(target === 'up' || /^logs-(kafka|mysql|mongo)$/.test(target))
    expect(Object.keys(composeFile().services)).toEqual(expect.arrayContaining(servers))
  })
})

it.each(SERVICES)('there is a target that runs %s, on what BROKER, WRITE and READ say', async (service) => {
  const env = { BROKER: 'kafka', WRITE: 'mysql', READ: 'mongodb', FIRST_PORT: '9081' }
  const { output } = await plan(`run-${service.split('-')[0]}`, env)
  const [, args = ''] = /start:ecommerce -- (.*)$/m.exec(output) ?? []
  expect(parseChoice(args.split(' '), ['broker', 'write', 'read', 'only', 'first-port'])).toEqual({
    kind: 'run',
    choice: { broker: 'kafka', write: 'mysql', read: 'mongodb', firstPort: 9_081 },
    only: [service],
    json: false,
  })
})

it('make help lists all of them, and works from elsewhere', async () => {
  const { code, output } = await shell(`make --no-print-directory -f ${EXAMPLE}/Makefile -C /`)
  expect(code).toBe(0)
  const listed = output
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ')[0])
  expect(listed).toEqual([...recipes.keys()])
  expect(listed).toEqual(expect.arrayContaining(TARGETS))
})

it('make create-topics makes the topics of all contracts, once', { timeout: 2 * PATIENCE_MS }, async () => {
  const place = await embedded({ BROKER: 'sqlite' })
  const made = await shell('make --no-print-directory create-topics', { env: place.env })
  expect(made.code).toBe(0)
  expect(made.output).toBe(TOPICS.map((topic) => `${topic} made\n`).join(''))
  expect(TOPICS).toHaveLength(8)
  const again = await shell('make --no-print-directory create-topics', { env: place.env })
  expect(again.output).toBe(TOPICS.map((topic) => `${topic} is there already\n`).join(''))
  expect(await shell('make create-topics BROKER=nats', { env: place.env })).toMatchObject({
    code: 2,
    errors: expect.stringContaining('topics:ecommerce: --broker is one of sqlite, kafka, rabbitmq, redis, and not "nats"'),
  })
  await place.remove()
})
