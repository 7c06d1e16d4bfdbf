// Small real projects outside of this repository, as frameworks, compilers, test runners and package managers have them: each is installed with the packed
// packages and the newest versions that its package.json allows, and its script "check" must end well. Those of every push name exact versions, so that nothing
// but a change of ours makes one red; what is new elsewhere is met by the long run.
import { execFile } from 'node:child_process'
import { copyFileSync, cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const LONGEST_MS = 10 * 60_000

export interface App {
  readonly name: string
  readonly what: string
  /** Below scripts/packed/apps. Default: its name. */
  readonly folder?: string
  readonly env?: Readonly<Record<string, string>>
  /** Pages whose commands it runs. */
  readonly pages?: readonly string[]
  /** Default npm. */
  readonly manager?: 'npm' | 'pnpm'
  /** It runs on every broker that there is. */
  readonly onBrokers?: true
  /** A few seconds: part of `npm run packed`, and so of every push. The others are for `npm run soak -- apps`. */
  readonly quick?: true
}

export const APPS: readonly App[] = [
  { name: 'nest', what: 'Nest 11: guards beside @event, a provider as a handler, shutdown hooks' },
  { name: 'http', what: 'Express 5 and Fastify 5: what is emitted leaves with the answer, and not without one' },
  { name: 'commonjs', what: 'CommonJS: `module: node16` and `commonjs` in TypeScript, and require' },
  { name: 'jest', what: 'Jest 30, CommonJS and ES modules, fake timers, modules that are reset' },
  { name: 'vitest', what: 'Vitest 5, standard and legacy decorators, fake timers, modules that are reset' },
  ...(['esm', 'cjs'] as const).map((format) => ({
    name: `esbuild-${format}`,
    what: `one file by esbuild, ${format}, also minified, and under core consumer`,
    folder: 'esbuild',
    env: { FORMAT: format },
    pages: ['docs/how-to/bundling.md'],
    onBrokers: true as const,
    quick: true as const,
  })),
  { name: 'pnpm', what: 'a workspace of pnpm with two copies of the package', manager: 'pnpm' },
  { name: 'tsyringe', what: 'tsyringe, with decorators that put a class of their own in the place of the class', quick: true },
  { name: 'valibot', what: 'schemas of valibot: what does not fit or travel is refused', quick: true },
  { name: 'arktype', what: 'schemas of arktype: the same', quick: true },
  { name: 'zod', what: 'schemas of zod 3 beside zod 4', quick: true },
  { name: 'bun', what: 'Bun, in memory and on SQLite' },
]

/** By name of the package. */
export type Tarballs = Readonly<Record<string, string>>

export interface AppOptions {
  readonly tarballs: Tarballs
  /** An empty one of its own is made in it. */
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** By broker, the variables that name it. */
  readonly brokers?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** Installs an app and runs its check. Returns what that said. @throws with all that it said. */
export async function runApp(app: App, { tarballs, folder, env, brokers = {} }: AppOptions): Promise<string> {
  const own = join(folder, app.name)
  mkdirSync(own)
  cpSync(join(root, 'scripts/packed/apps', app.folder ?? app.name), own, { recursive: true })
  for (const page of app.pages ?? []) copyFileSync(join(root, page), join(own, page.split('/').at(-1) ?? page))
  for (const file of globSync(['package.json', '*/package.json'], { cwd: own })) usePacked(join(own, file), tarballs)
  const bin = app.manager === 'pnpm' ? await pnpmIn(folder, env) : 'npm'
  // Its scripts call it by name.
  const path = app.manager === 'pnpm' ? `${dirname(bin)}:${env.PATH}` : env.PATH
  const given = { ...env, ...app.env, PATH: path, BROKERS: JSON.stringify(app.onBrokers ? brokers : {}) }
  const options = { cwd: own, env: given, timeout: LONGEST_MS }
  try {
    await run(bin, app.manager === 'pnpm' ? ['install', '--no-frozen-lockfile'] : ['install', '--no-audit', '--no-fund'], options)
    const { stdout, stderr } = await run(bin, ['run', 'check'], options)
    if (!/^ok$/m.test(stdout)) throw new Error(`it did not say "ok": ${stdout}${stderr}`)
    return stdout
  } catch (thrown) {
    const { message, stdout = '', stderr = '' } = thrown as Error & { stdout?: string; stderr?: string }
    throw new Error([message, stdout, stderr].join('\n'), { cause: thrown })
  }
}

function usePacked(file: string, tarballs: Tarballs): void {
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { dependencies?: Record<string, string> }
  for (const name of Object.keys(manifest.dependencies ?? {}))
    if (tarballs[name]) Object.assign(manifest.dependencies ?? {}, { [name]: `file:${tarballs[name]}` })
  writeFileSync(file, JSON.stringify(manifest, null, 2))
}

async function pnpmIn(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  await run('npm', ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', 'pnpm@^12.21.0'], { env, timeout: LONGEST_MS })
  return join(folder, 'node_modules/.bin/pnpm')
}

/** Packs every published package into the folder. */
export async function packAll(folder: string): Promise<{ tarballs: Tarballs; contents: readonly string[] }> {
  const packed = await Promise.all(
    PUBLISHED.map(async (name) => {
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: join(root, 'packages', name) })
      const [of] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[]
      return { name, file: join(folder, of?.filename ?? ''), paths: of?.files.map(({ path }) => `${name}/${path}`) ?? [] }
    }),
  )
  return {
    tarballs: Object.fromEntries(packed.map(({ name, file }) => [`@corebus/${name}`, file])),
    contents: packed.flatMap(({ paths }) => paths),
  }
}

export const PUBLISHED = ['core', 'sql', 'cqrs', 'hono', 'conformance']

/** No setting of this repository reaches an app: only the machine's own, and the pinned Node first on the PATH. */
export function strangersEnv(): NodeJS.ProcessEnv {
  const machine = Object.entries(process.env).filter(([name]) => !/^(npm_|MESSAGING_|BROKER_|SQLITE_|KAFKA_|RABBITMQ_|REDIS_)/.test(name))
  return { ...Object.fromEntries(machine), PATH: `${dirname(process.execPath)}:${process.env.PATH}`, LOG_LEVEL: 'warn' }
}
