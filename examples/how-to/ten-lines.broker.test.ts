import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { broker } from '@corebus/testbed'
import { afterAll, expect, onTestFinished, test } from 'vitest'

for (const name of ['memory', 'sqlite', 'kafka', 'rabbitmq', 'redis'] as const) {
  const server = name === 'memory' || name === 'sqlite' ? { env: { MESSAGING_BROKER: name }, stop: async () => {} } : await broker(name)
  afterAll(() => server?.stop())

  test.skipIf(!server)(`the same ten lines on ${name}, by one variable`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'corebus-ten-lines-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const env = { ...process.env, SQLITE_PATH: join(folder, 'messages.db'), ...server?.env }
    const child = spawn(process.execPath, [join(import.meta.dirname, 'ten-lines.ts')], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    for await (const text of child.stdout) {
      said += text
      if (/^welcome, .*\n/m.test(said)) child.kill()
    }
    expect(said).toMatch(/^welcome, ana@example\.com$/m)
  })
}
