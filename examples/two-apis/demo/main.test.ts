import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Command, isRunning, type Played, play as playCommand, scriptPath } from './fixtures/play.ts'
import { until } from './until.ts'

const SCRIPT = scriptPath('demo')

describe('the demo', () => {
  const { signal } = new AbortController()
  let folder: string
  let demo: Played

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'demo-test-'))
  })
  afterEach(async () => {
    demo.process.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  const play = (env: NodeJS.ProcessEnv = {}, command: Command = [process.execPath, SCRIPT]): Played =>
    playCommand({ TMPDIR: folder, ...env }, command)
  const firstAnswer = (): Promise<true> => until('the first answer', () => /answered/.test(demo.said()) || undefined, { signal })
  const processes = (): readonly number[] => [...new Set([...demo.said().matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid)))]
  const noneLeft = (pids: readonly number[]): Promise<true> => until(`${pids} end`, () => !pids.some(isRunning) || undefined, { signal })

  it('that is told to stop ends its processes and removes its files', async () => {
    demo = play()
    await firstAnswer()
    const pids = processes()
    expect(pids.filter(isRunning)).toHaveLength(4)
    demo.process.kill('SIGTERM')
    expect(await demo.ended).toBe(1)
    expect(demo.said()).toContain('demo: stopped by SIGTERM')
    expect(pids.filter(isRunning)).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })

  it('ends when only the shell between npm and it is told to', async () => {
    demo = play({ npm_lifecycle_event: 'demo' }, ['sh', '-c', `true && "${process.execPath}" "${SCRIPT}"`])
    await firstAnswer()
    const pids = processes()
    demo.process.kill('SIGTERM')
    await demo.ended
    await noneLeft(pids)
    expect(demo.said()).toMatch(/demo: stopped/)
    expect(await readdir(folder)).toEqual([])
  })

  it('that is killed leaves no process behind', async () => {
    demo = play()
    await firstAnswer()
    const pids = processes()
    expect(pids.filter(isRunning)).toHaveLength(4)
    demo.process.kill('SIGKILL')
    expect(await demo.ended).toBe('SIGKILL')
    await noneLeft(pids)
  })

  it('says which of its processes has died, stops the others and fails', async () => {
    demo = play()
    await firstAnswer()
    const [first, ...others] = processes()
    process.kill(first as number, 'SIGKILL')
    expect(await demo.ended).toBe(1)
    expect(demo.said()).toMatch(/demo: \S+-api.* ended by itself \(SIGKILL\)/)
    expect(others.filter(isRunning)).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })

  it('refuses a broker that four processes cannot share', async () => {
    demo = play({ MESSAGING_BROKER: 'memory' })
    expect(await demo.ended).toBe(1)
    expect(demo.said()).toBe('demo: four processes cannot meet on the memory broker: unset MESSAGING_BROKER, or name another\n')
    expect(await readdir(folder)).toEqual([])
  })
})
