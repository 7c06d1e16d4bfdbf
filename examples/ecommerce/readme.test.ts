// The commands of the page: those that need no Docker are run here, in its order, and of the others each server that they name is looked for.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { composeFile } from '../../scripts/compose.ts'
import { parseChoice } from './demo/choice.ts'
import { SERVICES } from './demo/system.ts'
import { PATIENCE_MS } from './fixtures/booted.ts'
import { EXAMPLE, type Ran, shell } from './fixtures/shell.ts'
import { type Started, started } from './fixtures/started.ts'

const SECTIONS = ['Running it', 'Verify the events', 'Troubles']
const page = readFileSync(join(EXAMPLE, 'README.md'), 'utf8')

/** The lines of the indented blocks of a section, without their comments. */
function commandsOf(title: string): readonly string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? ''
  return [...section.matchAll(/^ {4}(\S.*)$/gm)].map(([, line = '']) => line.replace(/\s{2,}# .*$/, '').trim())
}

const all = SECTIONS.flatMap(commandsOf)
const DOCKER = /^(docker |make (up|down|status|clean|logs-(kafka|mysql|mongo))$)/
/** These are begun before all others, never end, or change this checkout. */
const ELSEWHERE = /^(npm run start:ecommerce\b|make (run-\w+|dev-setup)$|export )/
const FOLLOWS = /^make logs(-query)?$/
const docker = all.filter((command) => DOCKER.test(command))
const here = [...new Set(all.filter((command) => !DOCKER.test(command) && !ELSEWHERE.test(command)))]

describe('commands of the page that need no Docker', () => {
  let start: Started
  beforeAll(async () => {
    start = await started()
    await start.up()
  }, 2 * PATIENCE_MS)
  afterAll(() => start?.end(), PATIENCE_MS)

  const ran = (command: string): Promise<Ran> => {
    const at = (port: string) => `localhost:${start.firstPort + Number(port) - 8081}`
    // curl is silent of its progress, and an answer of 400 and above is a failure of it.
    const typed = command.replace(/^curl /, 'curl -sS --fail-with-body ').replace(/localhost:(808\d)/, (_, port: string) => at(port))
    return shell(typed, { env: { ...start.env, FIRST_PORT: String(start.firstPort) }, ...(FOLLOWS.test(command) && { until: /"msg":/ }) })
  }

  it.each(here.map((command, at) => [at + 1, command] as const))('%i. %s', { timeout: PATIENCE_MS }, async (_, command) => {
    const { code, output, errors } = await ran(command)
    if (FOLLOWS.test(command)) expect(output).toContain('"msg":')
    else expect({ code, errors, output }).toMatchObject({ code: 0 })
    if (command.endsWith('/api/v1/orders/1')) expect(JSON.parse(output)).toMatchObject({ status: 'PAID', total: 3_500 })
    if (command.includes('projections list')) expect(output).toContain('shop')
    if (command === 'npx corebus topics') expect(output).toContain('order.created')
    if (command === 'make health') for (const service of SERVICES) expect(output).toMatch(new RegExp(`^${service} .* yes$`, 'm'))
  })

  it('are most of them, and each of the three troubles has its commands', () => {
    expect(here.length).toBeGreaterThanOrEqual(20)
    expect(new Set(commandsOf('Troubles'))).toEqual(
      new Set([
        'make health',
        'make logs',
        'make status',
        'make create-topics',
        'npx corebus topics',
        'npx corebus dlq list',
        'make logs-kafka',
        '(cd query-service && npx corebus projections list)',
        'make logs-query',
        'make logs-mongo',
      ]),
    )
  })

  it('show the cause when all of it has ended: nobody is ready, and nobody reads', { timeout: 2 * PATIENCE_MS }, async () => {
    const members = async (): Promise<number | undefined> => {
      const rows: readonly { topic: string; group: string; members: number }[] = JSON.parse((await ran('npx corebus topics --json')).output)
      return rows.find(({ topic, group }) => topic === 'order.created' && group === 'product-service')?.members
    }
    expect(await members()).toBe(1)
    start.run.process.kill('SIGINT')
    expect(await start.run.ended).toBe(0)
    expect(await members()).toBe(0)
    const { code, output } = await ran('make health')
    expect(code).not.toBe(0)
    for (const service of SERVICES) expect(output).toMatch(new RegExp(`^${service} .* no +nobody listens there`, 'm'))
  })
})

describe('commands of the page for Docker', () => {
  it.each([...new Set(docker)])('%s names what is in the compose file', async (command) => {
    const { code, output } = command.startsWith('make ')
      ? await shell(command.replace('make', 'make --no-print-directory -n'))
      : { code: 0, output: command }
    expect(code).toBe(0)
    if (/^docker build /.test(output)) return expect(SERVICES).toContain(/SERVICE=(\S+)/.exec(output)?.[1])
    const words = /docker compose (?:--project-directory \S+ )?(up|logs|ps|down)(.*)/.exec(output)?.[2]?.split(' ') ?? []
    expect(Object.keys(composeFile().services)).toEqual(expect.arrayContaining(words.filter((word) => /^[a-z]/.test(word))))
  })
})

describe('commands of the page that begin something', () => {
  it.each(all.filter((command) => command.startsWith('npm run start:ecommerce')))(
    '%s is a command line that start:ecommerce takes',
    (command) => {
      const parsed = parseChoice(command.split(' ').slice(4), ['broker', 'write', 'read', 'only', 'first-port'])
      expect(parsed.kind).toBe(command.includes('--help') ? 'help' : 'run')
    },
  )
})

it.each([
  ['kafka-ui', '8080'],
  ['rabbitmq', '15672'],
  ['mongo-express', '8085'],
])('the console of %s is where the page says', (server, port) => {
  expect(page).toContain(`http://localhost:${port}`)
  expect(composeFile().services[server]?.ports).toContainEqual(expect.stringMatching(new RegExp(`^127\\.0\\.0\\.1:${port}:`)))
})
