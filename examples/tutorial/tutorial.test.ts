// Follows docs/tutorial/two-apis.md command by command, in a folder of its own: once with the classes, once with the functions that stand beside them.
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/tutorial/two-apis.md'), 'utf8')
/** Every command line of the page. What was run is taken away, so that what is left was not tested. */
const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'))
let untested = new Set<string>()
const ports = new Map<string, string>()
const running: Program[] = []
let folder = ''

interface Program {
  readonly process: ChildProcess
  readonly ended: Promise<unknown>
  /** Resolves when the pattern has been printed since the program was started, or rejects when it ends without it. */
  says(pattern: RegExp): Promise<RegExpExecArray>
}

function start(line: string): Program {
  if (!untested.delete(line)) throw new Error(`the page does not say "${line}" any more, or says it once and it is run twice`)
  const bin = join(root, 'node_modules/.bin')
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    PORT: '0',
    LOG_LEVEL: 'info',
    SQLITE_PATH: '',
    MESSAGING_BROKER: '',
    NODE_ENV: '',
  }
  // A group of its own: npm does not pass every signal on to what it started.
  const child = spawn('sh', ['-c', line], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      out += chunk
      for (const look of waiting) look()
    })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const program: Program = {
    process: child,
    ended,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(out)
          if (!found) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
        void ended.then(() => reject(new Error(`"${line}" ended without ${pattern}:\n${out}`)))
      }),
  }
  running.push(program)
  return program
}

async function startServer(line: string, port: string): Promise<void> {
  const [, bound = ''] = await start(line).says(/listens at http:\/\/127\.0\.0\.1:(\d+)/)
  ports.set(port, bound)
}

async function stop({ process: { pid }, ended }: Program): Promise<void> {
  if (pid !== undefined) {
    try {
      process.kill(-pid, 'SIGTERM')
    } catch {
      // It has ended.
    }
  }
  await ended
}

/** The page's curl lines, with the port that the server got here. */
async function curl(line: string): Promise<unknown> {
  untested.delete(line)
  const [, method, body, port = '', path = ''] = /^curl (?:-X (\w+) )?(?:--json '(.*)' )?http:\/\/127\.0\.0\.1:(\d+)(.*)$/.exec(line) ?? []
  const response = await fetch(`http://127.0.0.1:${ports.get(port)}${path}`, {
    method: method ?? (body ? 'POST' : 'GET'),
    ...(body && { body, headers: { 'content-type': 'application/json' } }),
  })
  return response.json()
}

const orders = () => curl('curl http://127.0.0.1:4002/orders')

describe.each(['classes', 'functions'])('with %s', (form) => {
  beforeAll(() => {
    untested = new Set(commands)
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'corebus-tutorial-')))
    for (const name of ['package.json', 'tsconfig.json', 'events.ts', 'users', 'orders'])
      cpSync(join(import.meta.dirname, name), join(folder, name), { recursive: true })
    for (const file of globSync('*/*.functions.ts', { cwd: folder })) {
      if (form === 'functions') cpSync(join(folder, file), join(folder, file.replace('.functions', '')))
      rmSync(join(folder, file))
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  })

  afterAll(async () => {
    await Promise.all(running.splice(0).map(stop))
    rmSync(folder, { recursive: true })
  })

  test('every command of the tutorial does what the page says', { timeout: 120_000 }, async () => {
    await startServer('npm run users', '4001')
    expect(await curl(`curl --json '{"email":"ana@example.com"}' http://127.0.0.1:4001/users/register`)).toEqual({
      id: 1,
      email: 'ana@example.com',
    })
    await start('npx corebus topics').says(/user-events/)

    const consumer = start('npm run consumer')
    await consumer.says(/welcome order for ana@example\.com/)

    await startServer('npm run orders', '4002')
    await expect.poll(orders).toMatchObject([{ id: 1, user_id: 1, kind: 'welcome' }])
    await curl(`curl --json '{"user_id":1,"total":12.5}' http://127.0.0.1:4002/orders`)
    expect(await curl('curl -X POST http://127.0.0.1:4002/orders/2/pay')).toEqual({ order_id: 2, status: 'processing' })
    await expect.poll(orders).toMatchObject([{ id: 1 }, { id: 2, status: 'paid' }])

    await start('touch gateway-closed').ended
    await curl(`curl --json '{"user_id":1,"total":30}' http://127.0.0.1:4002/orders`)
    await curl('curl -X POST http://127.0.0.1:4002/orders/3/pay')
    await consumer.says(/retry 1\/2 in 1000 ms.*retry 2\/2 in 1000 ms.*moved to dead letters/s)

    await start('npx corebus dlq list').says(/payments\.process.*the payment gateway is closed/s)
    await start('rm gateway-closed').ended
    await start('npx corebus dlq retry --topic payments.process').ended
    await expect.poll(orders).toMatchObject([{ id: 1 }, { id: 2 }, { id: 3, status: 'paid' }])

    await stop(consumer)
    await curl(`curl --json '{"email":"rui@example.com"}' http://127.0.0.1:4001/users/register`)
    await start('npm run consumer -- --workers 2').says(/welcome order for rui@example\.com/)
  })

  test('what the tutorial types into package.json is what was run', () => {
    const { type, scripts } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'))
    const set = [...untested].find((line) => line.startsWith('npm pkg set')) ?? ''
    const typed = [...set.matchAll(/scripts\.(\w+)="([^"]*)"/g)].map(([, name, command]) => [name, command])
    expect(Object.fromEntries(typed)).toEqual(scripts)
    expect(set).toContain(`type=${type}`)
  })

  test('only installing is not run here', () => {
    const [...left] = untested
    expect(left.filter((line) => !/^(mkdir|npm (init|pkg|install|ci|pack)) /.test(line))).toEqual([])
  })
})
