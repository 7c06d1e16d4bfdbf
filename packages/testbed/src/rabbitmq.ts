import { type ChildProcess, execFile } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import type { Broker, BrokerKind } from './kind.ts'
import { lifecycle } from './lifecycle.ts'
import { missing } from './missing.ts'
import { exited, Owned, runs, signal } from './owned.ts'
import { freePort } from './port.ts'

/** The scripts themselves: the wrapper in /usr/sbin changes the user, the folders and the addresses. */
const FOLDERS = ['/usr/lib/rabbitmq/bin', '/opt/homebrew/opt/rabbitmq/sbin', '/usr/local/opt/rabbitmq/sbin', '/opt/rabbitmq/sbin']
const ANSWERS_WITHIN_MS = 60_000
const STOPS_WITHIN_MS = 30_000
const MOVED_AGAIN_AFTER_MS = 3_000

export const rabbitmq: BrokerKind = {
  name: 'rabbitmq',
  variable: 'RABBITMQ_URL',
  defaultUrl: 'amqp://guest:guest@127.0.0.1:5672/',
  install: 'apt-get install -y --no-install-recommends rabbitmq-server, or set RABBITMQ_URL',
  answers,
  start: () => start(),
}

export interface RabbitmqOptions {
  /** Lines for rabbitmq.conf. */
  readonly config?: readonly string[]
  /** Plugins to enable. */
  readonly plugins?: readonly string[]
}

export interface Rabbitmq extends Broker {
  /** `rabbitmqctl` with these arguments; what it printed. */
  ctl(...args: readonly string[]): Promise<string>
  /** Another of RabbitMQ's own commands, such as `rabbitmq-diagnostics`, with its arguments. */
  command(name: string, ...args: readonly string[]): Promise<string>
}

async function answers(url: string): Promise<boolean> {
  try {
    const connection = await connect(url, { timeout: 2_000 })
    await connection.close()
    return true
  } catch {
    return false
  }
}

/**
 * One node of its own: free loopback ports, its own epmd, everything in one folder that is removed afterwards. The one that RABBITMQ_HOME names
 * (an unpacked release), else the one that is installed. Undefined, with one line that says what to install, where there is none.
 * @throws under CI=true where there is none.
 */
export async function startRabbitmq(options: RabbitmqOptions = {}): Promise<Rabbitmq | undefined> {
  return (await start(options)) ?? missing(rabbitmq.name, rabbitmq.install)
}

async function start({ config = [], plugins = [] }: RabbitmqOptions = {}): Promise<Rabbitmq | undefined> {
  const { RABBITMQ_HOME: home } = process.env
  const scripts = (home ? [join(home, 'sbin')] : FOLDERS).find((path) => existsSync(join(path, 'rabbitmq-server')))
  if (scripts === undefined) return undefined
  const server = join(scripts, 'rabbitmq-server')
  const folder = mkdtempSync(join(tmpdir(), 'corebus-rabbitmq-'))
  const [port, distPort, epmdPort] = [await freePort(), await freePort(), await freePort()]
  const url = `amqp://guest:guest@127.0.0.1:${port}/`
  const env = environment(folder, { port, distPort, epmdPort })
  for (const name of ['mnesia', 'log']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'enabled_plugins'), `[${plugins.join(',')}].\n`)
  writeFileSync(join(folder, 'rabbitmq.conf'), ['log.console = false', ...config, ''].join('\n'))

  const owned = new Owned()
  owned.folder(folder)
  // Where it is not on the path, the node starts one itself.
  const epmd = owned.spawn('epmd', ['-address', '127.0.0.1', '-port', String(epmdPort)])

  const command = async (name: string, ...args: readonly string[]) => (await promisify(execFile)(join(scripts, name), args, { env })).stdout
  const life = await lifecycle({
    owned,
    stopsWithinMs: STOPS_WITHIN_MS,
    async up() {
      const log = openSync(join(folder, 'stdout.log'), 'a')
      const script = owned.spawn(server, [], { env, cwd: folder, output: log })
      closeSync(log)
      await untilAnswers(url, script, folder)
      const pid = Number(readFileSync(join(folder, 'rabbit.pid'), 'utf8').trim())
      owned.process(pid)
      // From here on the node alone: its script ends with it, and has asked how it ended.
      if (script.pid !== undefined) owned.forget(-script.pid)
      return pid
    },
  })
  return {
    url,
    env: { MESSAGING_BROKER: 'rabbitmq', RABBITMQ_URL: url },
    own: true,
    ...life,
    async stop() {
      await life.stop()
      await exited(epmd)
    },
    ctl: (...args) => command('rabbitmqctl', ...args),
    command,
  }
}

function environment(folder: string, ports: { port: number; distPort: number; epmdPort: number }): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    LC_ALL: 'C.UTF-8',
    // The Erlang cookie is made here.
    HOME: folder,
    RABBITMQ_NODENAME: `corebus${ports.port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(ports.port),
    RABBITMQ_DIST_PORT: String(ports.distPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(ports.epmdPort),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_PID_FILE: join(folder, 'rabbit.pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: [
      '-kernel inet_dist_use_interface {127,0,0,1}',
      // An Erlang scheduler that has nothing to do spins for a while; on a machine with few cores that is taken from everybody else.
      '+sbwt none +sbwtdcpu none +sbwtdio none',
      // What falls due while its queue is away is tried again after this; by itself the broker waits three minutes, which no test should.
      `-rabbit dead_letter_worker_publisher_confirm_timeout ${MOVED_AGAIN_AFTER_MS}`,
    ].join(' '),
  }
}

async function untilAnswers(url: string, script: ChildProcess, folder: string): Promise<void> {
  const deadline = performance.now() + ANSWERS_WITHIN_MS
  while (!(await answers(url))) {
    const over = performance.now() > deadline
    if (over && script.pid !== undefined && runs(script.pid)) signal(-script.pid, 'SIGKILL')
    if (over || script.exitCode !== null) {
      const said = readFileSync(join(folder, 'stdout.log'), 'utf8').slice(-2_000)
      throw new Error(
        `rabbitmq-server ${over ? `did not answer within ${ANSWERS_WITHIN_MS} ms` : `ended with ${script.exitCode}`}: ${said}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
