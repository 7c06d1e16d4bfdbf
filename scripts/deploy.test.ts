// The container's files that the documentation shows: they are valid, they agree with each other, and what they run starts, answers its probes and stops in time.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@corebus/testbed'
import { validate } from 'dockerfile-utils'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Service } from 'kubernetes-models/v1/Service'
import { expect, onTestFinished, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { LIMITS } from '../packages/core/src/config/limits.ts'

const folder = join(import.meta.dirname, '../examples/deploy')
const dockerfile = readFileSync(join(folder, 'Dockerfile'), 'utf8')
const KINDS = { Deployment, ConfigMap, Service }

interface Container {
  readonly command?: readonly string[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } }
  readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } }
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } }
}
interface Manifest {
  readonly kind: keyof typeof KINDS
  readonly metadata: { readonly name: string }
  readonly data: Readonly<Record<string, string>>
  readonly spec: {
    readonly template: { readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly [Container] } }
  }
}

const manifests = parseAllDocuments(readFileSync(join(folder, 'kubernetes.yaml'), 'utf8')).map((document) => document.toJS() as Manifest)
const settings = manifests.find(({ kind }) => kind === 'ConfigMap')?.data ?? {}
const podOf = (name: string) => {
  const found = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name)
  if (!found) throw new Error(`no deployment ${name}`)
  return found.spec.template.spec
}
const [consumer, api] = [podOf('orders-consumer'), podOf('orders-api')]

test.each(manifests.map((manifest) => [manifest.kind, manifest] as const))(
  'the %s fits the schema of Kubernetes, and one with a mistake does not',
  (kind, manifest) => {
    const Kind = KINDS[kind] as new (data: object) => { validate(): void }
    expect(() => new Kind(manifest).validate()).not.toThrow()
    expect(() => new Kind({ ...manifest, metadata: { name: 7 } }).validate()).toThrow()
  },
)

test('the Dockerfile is valid, copies what is there, and begins with the process itself', () => {
  expect(validate(dockerfile)).toEqual([])
  expect(validate(dockerfile.replace('WORKDIR', 'WRKDIR'))).not.toEqual([])
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '))
  // The lock file is made by the first npm install.
  for (const source of copied.filter((one) => one !== 'package-lock.json')) expect(existsSync(join(folder, source)), source).toBe(true)
  expect(commandOf(api.containers[0])[0]).toBe('node')
  expect(commandOf(consumer.containers[0])[0]).toBe('node_modules/.bin/core')
})

test('a pod is given more time to end than the drain may take', () => {
  const drainSeconds = Number(LIMITS.shutdownMs.default) / 1_000
  for (const { terminationGracePeriodSeconds, containers } of [consumer, api])
    expect(terminationGracePeriodSeconds - (containers[0].lifecycle?.preStop.sleep.seconds ?? 0)).toBeGreaterThanOrEqual(drainSeconds + 10)
})

function commandOf({ command }: Container): readonly string[] {
  return command ?? (JSON.parse(/^CMD (.*)$/m.exec(dockerfile)?.[1] ?? '[]') as string[])
}

test('both processes answer their probes, hand on an order, and end with 0 when they are told to', async () => {
  const app = mkdtempSync(join(tmpdir(), 'corebus-deploy-'))
  cpSync(folder, app, { recursive: true })
  symlinkSync(join(import.meta.dirname, '../node_modules'), join(app, 'node_modules'))
  const [HEALTH_PORT, PORT] = [await freePort(), await freePort()]
  const local = { HOST: '127.0.0.1', HEALTH_HOST: '127.0.0.1', HEALTH_PORT: String(HEALTH_PORT), PORT: String(PORT) }
  const env = {
    ...settings,
    ...local,
    MESSAGING_BROKER: 'sqlite',
    SQLITE_PATH: join(app, 'broker.db'),
    NODE_ENV: 'production',
    PATH: process.env.PATH,
    HOME: app,
  }
  const ports: Readonly<Record<string, number>> = { health: HEALTH_PORT, http: PORT }
  const running: ChildProcess[] = []
  onTestFinished(() => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(app, { recursive: true, force: true })
  })
  const run = (container: Container) => {
    const [command = '', ...args] = commandOf(container)
    const child = spawn(command, args, { cwd: app, env, stdio: ['ignore', 'pipe', 'inherit'] })
    running.push(child)
    let said = ''
    child.stdout.on('data', (data: Buffer) => {
      said += data
    })
    const probed = ({ httpGet: { path, port } }: Container['livenessProbe']) =>
      fetch(`http://127.0.0.1:${ports[port]}${path}`).then(
        ({ status }) => status,
        () => said,
      )
    return { child, probed, said: () => said }
  }
  const processes = [consumer, api].map(({ containers: [container] }) => ({ container, ...run(container) }))
  for (const { container, probed } of processes)
    for (const probe of [container.livenessProbe, container.readinessProbe])
      await expect.poll(() => probed(probe), { timeout: 20_000 }).toBe(200)

  expect((await fetch(`http://127.0.0.1:${PORT}/orders/7`, { method: 'POST' })).status).toBe(201)
  await expect.poll(() => processes[0]?.said(), { timeout: 10_000 }).toMatch(/"order":7.*a mail is sent/)

  for (const { child } of processes) child.kill('SIGTERM')
  const codes = await Promise.all(
    processes.map(async ({ child }) => (child.exitCode !== null ? [child.exitCode] : await once(child, 'exit'))[0]),
  )
  expect(codes).toEqual([0, 0])
})
