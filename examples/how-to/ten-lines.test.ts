import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('the ten lines of the README run under plain node and handle what they publish', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-ten-lines-'))
  const env = { ...process.env, MESSAGING_BROKER: 'sqlite', SQLITE_PATH: join(folder, 'messages.db') }
  const child = spawn(process.execPath, [join(import.meta.dirname, 'ten-lines.ts')], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('close', resolve))
  let out = ''
  for await (const chunk of child.stdout) {
    out += chunk
    if (/^welcome, .*\n/m.test(out)) child.kill()
  }
  await ended
  rmSync(folder, { recursive: true })
  expect(out).toMatch(/^welcome, ana@example\.com$/m)
})
