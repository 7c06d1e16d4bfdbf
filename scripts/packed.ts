// Packs every published package, installs the tarballs in an empty project outside the repository, and uses them there as a stranger would.
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { APPS, PUBLISHED, packAll, runApp, strangersEnv } from './apps.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const [reportTo] = process.argv.slice(2)
const INSTALL_MS = 5 * 60_000

const folder = mkdtempSync(join(tmpdir(), 'corebus-packed-'))
// Beside it: what is installed there must not be found by an app.
const apps = mkdtempSync(join(tmpdir(), 'corebus-apps-'))
const env = strangersEnv()
const { tarballs, contents } = await packAll(folder)
const checks: { name: string; run: () => Promise<void> }[] = []
const check = (name: string, work: () => Promise<void>): void => {
  checks.push({ name, run: work })
}

async function install(): Promise<void> {
  cpSync(join(root, 'scripts/packed'), folder, { recursive: true, filter: (path) => !path.endsWith('/packed/apps') })
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> }
  const { typescript, tsx } = manifest.devDependencies
  const peers = JSON.parse(readFileSync(join(root, 'packages/hono/package.json'), 'utf8')) as { devDependencies: Record<string, string> }
  const { zod, hono } = peers.devDependencies
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  const libraries = [
    `typescript@${typescript}`,
    `tsx@${tsx}`,
    `zod@${zod}`,
    `hono@${hono}`,
    '@types/node@24',
    'typescript-5@npm:typescript@5.9',
  ]
  await run('npm', ['install', '--no-audit', '--no-fund', ...Object.values(tarballs), ...libraries], {
    cwd: folder,
    env,
    timeout: INSTALL_MS,
  })
}

/** Starts a consumer, waits for its line "ready", publishes, and waits for the line that says it was handled. */
async function consumes(command: string, args: readonly string[], broker: string): Promise<void> {
  const own = { ...env, SQLITE_PATH: join(folder, broker) }
  const consumer = spawn(command, args, { cwd: folder, env: own, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  consumer.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const until = async (line: string): Promise<void> => {
    const limit = Date.now() + 20_000
    while (!said.includes(line)) {
      if (Date.now() > limit || consumer.exitCode !== null) throw new Error(`"${line}" was not said; said: ${said}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  try {
    await until('ready')
    await run(process.execPath, ['publisher.mjs'], { cwd: folder, env: own })
    await until('handled hello@example.com')
    consumer.kill('SIGTERM')
    const code = await new Promise((resolve) => consumer.once('exit', resolve))
    if (code !== 0) throw new Error(`the consumer exited with ${code}`)
  } finally {
    consumer.kill('SIGKILL')
  }
}

const bin = (name: string): string => join(folder, 'node_modules/.bin', name)

check('a function-style consumer under plain node handles what a second process publishes', () =>
  consumes(process.execPath, ['consumer.mjs'], 'functions.db'),
)
check('a function-style consumer in TypeScript under Node 26, which strips its types', async () => {
  const own = join(folder, 'node-26')
  await run('npm', ['install', '--prefix', own, '--no-audit', '--no-fund', `node-${process.platform}-${process.arch}@26`], {
    env,
    timeout: INSTALL_MS,
  })
  await consumes(join(own, `node_modules/node-${process.platform}-${process.arch}/bin/node`), ['consumer.ts'], 'node-26.db')
})
check('a decorated consumer under tsx, standard decorators', () =>
  consumes(bin('tsx'), ['--tsconfig', 'tsconfig.standard.json', 'decorated.ts'], 'standard.db'),
)
check('a decorated consumer under tsx, legacy decorators', () =>
  consumes(bin('tsx'), ['--tsconfig', 'tsconfig.legacy.json', 'decorated.ts'], 'legacy.db'),
)
check('the types, strict and with skipLibCheck false, standard decorators', async () => {
  await run(bin('tsc'), ['-p', 'tsconfig.standard.json'], { cwd: folder, env })
})
check('the types, strict and with skipLibCheck false, legacy decorators', async () => {
  await run(bin('tsc'), ['-p', 'tsconfig.legacy.json'], { cwd: folder, env })
})
const FLAGS = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node', '--esModuleInterop', '--skipLibCheck']
// TypeScript 7 has no node10 any more; projects on 5 that say `module: commonjs` have it without asking.
for (const [compiler, module, resolution] of [
  ['typescript', 'node16', 'node16'],
  ['typescript', 'nodenext', 'nodenext'],
  ['typescript', 'esnext', 'bundler'],
  ['typescript-5', 'commonjs', 'node10'],
  ['typescript-5', 'node16', 'node16'],
] as const)
  check(`the types in a CommonJS file, with ${compiler}, module ${module} and moduleResolution ${resolution}`, async () => {
    const tsc = join(folder, 'node_modules', compiler, 'bin/tsc')
    await run(process.execPath, [tsc, ...FLAGS, '--module', module, '--moduleResolution', resolution, 'commonjs.cts'], { cwd: folder, env })
  })
check('every door of every package can be imported, and ends nobody', async () => {
  for (const name of PUBLISHED) {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }
    const doors = Object.keys(manifest.exports).filter((door) => !door.endsWith('.json'))
    const names = doors.map((door) => `@corebus/${name}${door.slice(1)}`)
    const source = `${names.map((door) => `await import('${door}')`).join('\n')}\nprocess.stdout.write('alive')`
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', source], { cwd: folder, env })
    if (stdout !== 'alive' || stderr !== '') throw new Error(`${names.join(', ')}: ${stdout} ${stderr}`)
  }
})
check('each package has its licence and its sources, and the core carries no process of the conformance suite', async () => {
  const of = (name: string, end: RegExp): boolean => contents.some((file) => file.startsWith(`${name}/`) && end.test(file))
  const bare = PUBLISHED.filter((name) => !of(name, /LICENSE$/) || !of(name, /README\.md$/) || !of(name, /src\/.*\.ts$/))
  if (bare.length > 0 || of('core', /chaos-member|children/) || !of('conformance', /chaos-member\.js$/))
    throw new Error(`${bare} of ${contents.join(' ')}`)
})
check('a driver of their own runs the conformance suite, which kills processes of another package', async () => {
  const { stdout } = await run(process.execPath, ['conformance.mjs'], {
    cwd: folder,
    env: { ...env, SQLITE_PATH: join(folder, 'theirs.db') },
  })
  if (stdout.match(/^held: /gm)?.length !== 2) throw new Error(stdout)
})
check('a CommonJS service runs it too, by require', async () => {
  const source = `const { createMessaging, defineEvent } = require('@corebus/core'); const { sqliteSession } = require('@corebus/sql'); const { mount } = require('@corebus/hono'); const { projection } = require('@corebus/cqrs')
    process.stdout.write([createMessaging, defineEvent, sqliteSession, mount, projection].map((one) => typeof one).join())`
  const { stdout } = await run(process.execPath, ['--input-type=commonjs', '-e', source], { cwd: folder, env })
  if (stdout !== 'function,function,function,function,function') throw new Error(stdout)
})
check('the core command runs', async () => {
  const { stdout } = await run(bin('core'), ['--help'], { cwd: folder, env })
  if (!stdout.includes('consumer')) throw new Error(`its help does not name the consumer: ${stdout}`)
})

// The others take longer: `npm run soak -- apps`.
for (const app of APPS.filter(({ quick }) => quick))
  check(`an app of its own, ${app.name}: ${app.what}`, async () => {
    await runApp(app, { tarballs, folder: apps, env })
  })

let failed = 0
try {
  await install()
  for (const { name, run: work } of checks) {
    try {
      await work()
      console.log(`  ok      ${name}`)
    } catch (thrown) {
      failed++
      const output = typeof thrown === 'object' && thrown !== null && 'stdout' in thrown ? String(thrown.stdout) : ''
      console.error(`  FAILED  ${name}\n${thrown instanceof Error ? thrown.message : String(thrown)}\n${output}`)
    }
  }
} finally {
  for (const made of [folder, apps]) rmSync(made, { recursive: true, force: true })
}
if (reportTo)
  writeFileSync(reportTo, JSON.stringify({ numPassedTests: checks.length - failed, numFailedTests: failed, numPendingTests: 0 }))
process.exit(failed > 0 ? 1 : 0)
