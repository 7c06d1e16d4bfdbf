// No engine is here that could build the image: its file is checked, what it copies is copied, and what it runs is run there.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePort } from '@corebus/testbed'
import { validate } from 'dockerfile-utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../../scripts/compose.ts'
import { folderOf } from './demo/service-process.ts'
import { PROCESSES, SERVICES } from './demo/system.ts'
import { PATIENCE_MS } from './fixtures/booted.ts'
import { embedded, type Place } from './fixtures/folder.ts'

const dockerfile = readFileSync(join(import.meta.dirname, 'Dockerfile'), 'utf8')
const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) (\S+)$/gm)].flatMap(([, sources = '']) => sources.split(' '))
const scripts: Readonly<Record<string, string>> = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts

it('is valid, copies what is there, and runs scripts that there are', () => {
  expect(validate(dockerfile)).toEqual([])
  expect(validate(dockerfile.replace('WORKDIR', 'WRKDIR'))).not.toEqual([])
  for (const source of copied) expect(existsSync(join(ROOT, source)), source).toBe(true)
  for (const [, script = ''] of dockerfile.matchAll(/npm run (\w+)/g)) expect(scripts).toHaveProperty([script])
})

it('leaves out what an image must not hold: secrets, and what is built for this machine', () => {
  const left = readFileSync(join(import.meta.dirname, 'Dockerfile.dockerignore'), 'utf8')
    .trim()
    .split('\n')
  expect(left).toEqual(expect.arrayContaining(['**/node_modules', '**/dist', '**/.env']))
})

describe('in the image', () => {
  let place: Place
  const running: ChildProcess[] = []
  beforeAll(async () => {
    place = await embedded()
    mkdirSync(join(place.folder, 'app/examples'), { recursive: true })
    for (const source of copied.filter((one) => one !== 'packages')) {
      mkdirSync(dirname(join(place.folder, 'app', source)), { recursive: true })
      cpSync(join(ROOT, source), join(place.folder, 'app', source), { recursive: true })
    }
    // These two are built there; here they are as they are.
    for (const built of ['packages', 'node_modules']) symlinkSync(join(ROOT, built), join(place.folder, 'app', built))
  })
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL')
    await place.remove()
  })

  const inImage = (text: string): string => text.replace(/^\/app\b/, join(place.folder, 'app'))
  const workdir = (service: string): string =>
    inImage([...dockerfile.matchAll(/^WORKDIR (.*)$/gm)].at(-1)?.[1]?.replace(/\$\{SERVICE\}/, service) ?? '')
  const api = JSON.parse(/^CMD (.*)$/m.exec(dockerfile)?.[1] ?? '[]') as string[] // the form that validate has accepted
  const consumer = /with the command: (.*)$/m.exec(dockerfile)?.[1]?.split(' ') ?? []

  it.each(PROCESSES)('%s comes up, and ends with 0 when it is told to', { timeout: 2 * PATIENCE_MS }, async (name) => {
    const [service = '', isConsumer] = name.split(' ')
    const [command = '', ...args] = (isConsumer ? consumer : api).map(inImage)
    expect(command).toBe('node')
    const port = String(await freePort())
    const child = spawn(process.execPath, args, {
      cwd: workdir(service),
      env: {
        ...place.env,
        ENV: 'production',
        NODE_ENV: 'production',
        PATH: process.env.PATH,
        PORT: port,
        ...(isConsumer && { HEALTH_PORT: port }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.push(child)
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    const ready = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ status }) => status,
        () => said,
      )
    await expect.poll(ready, { timeout: PATIENCE_MS }).toBe(200)
    child.kill('SIGTERM')
    expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(0)
  })

  it('there is a folder for each service', () => {
    for (const service of SERVICES) {
      expect(existsSync(workdir(service))).toBe(true)
      expect(existsSync(folderOf(service))).toBe(true)
    }
  })
})
