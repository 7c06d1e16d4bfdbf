import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, type BrokerName, broker } from '@corebus/testbed'
import { APPS, type App, type AppOptions, packAll, runApp, strangersEnv } from '../apps.ts'
import type { Line, SoakOptions } from './chaos.ts'

const VARIABLES = { kafka: 'KAFKA_BOOTSTRAP_SERVERS', rabbitmq: 'RABBITMQ_URL', redis: 'REDIS_URL' } as const satisfies Record<
  BrokerName,
  string
>

/** Every app outside of the repository, one after another, on every broker that is here where an app says so. */
export async function appsOn({ only, onLine }: Pick<SoakOptions, 'only' | 'onLine'>): Promise<readonly Line[]> {
  const wanted = APPS.filter(({ name }) => only?.some((piece) => name.includes(piece)) ?? true)
  if (wanted.length === 0) throw new Error(`no such app; there are: ${APPS.map(({ name }) => name).join(', ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'corebus-apps-'))
  const running = new Map<BrokerName, Broker>()
  const lines: Line[] = []
  try {
    if (wanted.some(({ onBrokers }) => onBrokers))
      for (const name of Object.keys(VARIABLES) as BrokerName[]) {
        const found = await broker(name)
        if (found) running.set(name, found)
      }
    const brokers = Object.fromEntries([...running].map(([name, { url }]) => [name, { [VARIABLES[name]]: url }]))
    const { tarballs } = await packAll(folder)
    for (const app of wanted) {
      const line = await lineOf(app, { tarballs, folder, env: strangersEnv(), brokers })
      lines.push(line)
      onLine(line)
    }
  } finally {
    for (const { stop } of running.values()) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return lines
}

async function lineOf(app: App, options: AppOptions): Promise<Line> {
  const startedAt = performance.now()
  const told = await runApp(app, options).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  if (told instanceof Error) return { text: `FAILED ${app.name}, ${seconds} s: ${app.what}\n${told.message}`, failed: true }
  const places = told.split('\n').filter((line) => /^(on |sqlite: |memory: )/.test(line))
  return {
    text: [`ok     ${app.name}, ${seconds} s: ${app.what}`, ...places.map((place) => `         ${place}`)].join('\n'),
    failed: false,
  }
}
