// Runs the commands of the page, and what they made in folders that have nothing else.
import { deepStrictEqual, match, ok } from 'node:assert'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const { FORMAT, BROKERS = '{}' } = process.env
/** By broker, the variables that name it. */
const brokers = JSON.parse(BROKERS)
const PEERS = { kafka: 'kafkajs@2.2.4', rabbitmq: 'amqplib@^2.3.0', redis: 'redis@^6.3.0' }
const blocks = readFileSync('bundling.md', 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)
const commands = [...blocks].map(([, text]) => text).filter((text) => text.includes(`--format=${FORMAT}`))
ok(commands.length > 0, `no command of the page makes ${FORMAT}`)
const file = FORMAT === 'esm' ? 'main.mjs' : 'main.cjs'
const empty = mkdtempSync(join(tmpdir(), 'corebus-bundle-'))

function bundle(minify) {
  for (const command of commands) {
    const built = spawnSync(minify ? command.replaceAll('--bundle', '--bundle --minify') : command, { shell: true, encoding: 'utf8' })
    deepStrictEqual([built.status, /warning/i.test(built.stderr)], [0, false], built.stderr)
  }
  copyFileSync(join('dist', file), join(empty, file))
}

function run(env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    cwd: empty,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LOG_LEVEL: 'error', SERVICE_NAME: 'shop', ...env },
  })
  return {
    status,
    said: stdout
      .split('\n')
      .filter((line) => line.startsWith('handled'))
      .sort(),
    stderr,
  }
}

const HANDLED = { status: 0, said: ['handled 7 by a class', 'handled 7 by a function'] }
const well = ({ status, said, stderr }) => deepStrictEqual({ status, said }, HANDLED, stderr)

/** A terminal, which there is no pino-pretty for. */
function onTerminal() {
  if (process.platform !== 'linux') return
  const command = `${process.execPath} ${file}`
  const env = { PATH: process.env.PATH, SERVICE_NAME: 'shop', MESSAGING_BROKER: 'memory', LOG_LEVEL: 'info' }
  const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { cwd: empty, encoding: 'utf8', env })
  deepStrictEqual(status, 0, stdout)
  match(stdout, /"msg":"consumer started/)
}

async function underCore() {
  const handlers = join('dist', file.replace('main', 'handlers'))
  const env = { ...process.env, LOG_LEVEL: 'info', MESSAGING_BROKER: 'sqlite', SQLITE_PATH: join(empty, 'core.db'), SERVICE_NAME: 'shop' }
  const consumer = spawn('npx', ['corebus', 'consumer', handlers], { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  let said = ''
  const heard = (line) =>
    new Promise((resolve, reject) => {
      consumer.stdout.on('data', (data) => {
        said += data
        if (said.includes(line)) resolve()
      })
      consumer.once('exit', (code) => reject(new Error(`core consumer ended with ${code}: ${said}`)))
    })
  try {
    await heard('consumer started')
    const handled = heard('handled 7 by a class')
    const event = JSON.stringify({ name: 'user.created', data: { id: 7 }, timestamp: new Date().toISOString(), source: 'check' })
    execFileSync('npx', ['corebus', 'publish', 'users', event], { env })
    await handled
  } finally {
    process.kill(-consumer.pid, 'SIGTERM')
  }
}

try {
  for (const minify of [false, true]) {
    bundle(minify)
    well(run({ MESSAGING_BROKER: 'memory' }))
    well(run({ MESSAGING_BROKER: 'sqlite', SQLITE_PATH: join(empty, `${minify}.db`) }))
    const missing = run({ MESSAGING_BROKER: 'redis', REDIS_URL: 'redis://localhost:1' })
    match(missing.stderr, /^PEER_MISSING: the broker redis needs the package "redis"/)
    onTerminal()
  }
  await underCore()
  for (const [name, env] of Object.entries(brokers)) {
    execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', PEERS[name]], { stdio: ['ignore', 'ignore', 'inherit'] })
    for (const minify of [false, true]) {
      bundle(minify)
      well(run({ MESSAGING_BROKER: name, TOPIC: `${FORMAT}-${minify}-${process.pid}`, ...env }))
    }
    rmSync(join('node_modules', PEERS[name].split('@')[0]), { recursive: true })
    console.log(`on ${name}`)
  }
  console.log('ok')
} finally {
  rmSync(empty, { recursive: true, force: true })
}
