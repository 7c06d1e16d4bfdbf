import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { changesOf } from '../../src/testing/conformance/chaos/mutation.ts'
import { searchIn } from './mutated.ts'
import { mutations, type RuntimeMutation } from './mutations.ts'
import { printed } from './printed.ts'

/** Each in a process of its own, so that both cores of a small machine have one. */
const SEEDS = [1, 2]
const HISTORIES = 5_000
const PATIENCE_MS = 600_000

const here = fileURLToPath(new URL('.', import.meta.url))

test(
  `${SEEDS.length * HISTORIES} histories of the runtime keep every promise`,
  async () => {
    const searched = await Promise.all(SEEDS.map((seed) => searchIn(undefined, { seed, histories: HISTORIES })))
    for (const { found, output, histories } of searched) expect([found, histories], output).toEqual([undefined, HISTORIES])
  },
  PATIENCE_MS,
)

describe('histories find within a thousand', () => {
  test.for([...mutations])('$name', { timeout: PATIENCE_MS }, async (mutation) => {
    const { found, output } = await searchIn(mutation, { seed: 1, histories: 1_000 })
    expect(found?.fault, output).toMatch(mutation.shows)
  })
})

/** As somebody does who pastes it: in a file of its own, by Vitest. */
async function runsPasted(text: string, mutation?: RuntimeMutation): Promise<string> {
  // Beside this file, where `vitest` is found.
  const folder = mkdtempSync(join(here, 'pasted-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'found.test.ts'), text)
  writeFileSync(join(folder, 'vitest.config.ts'), `import { mutating } from '../mutating.ts'\nexport default { plugins: [mutating()] }\n`)
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const env = { ...process.env, COREBUS_MUTATION: JSON.stringify(mutation ? changesOf(mutation) : []), NO_COLOR: '1', VITEST: undefined }
  const args = [vitest, 'run', '--root', folder]
  return new Promise((resolve) => execFile(process.execPath, args, { env }, (_, stdout, stderr) => resolve(stdout + stderr)))
}

test(
  'a history that breaks a promise is printed as a test that can be pasted, fails with the mutation and passes without',
  async () => {
    const [mutation] = mutations.filter(({ name }) => name === 'lose the order of a key after a retry')
    if (!mutation) throw new Error('a mutation that is not there')
    const { found } = await searchIn(mutation, { seed: 1, histories: 1_000 })
    if (!found) throw new Error('a mutation that was not found')
    expect(found.steps.length).toBeLessThanOrEqual(4)
    const text = printed(found)
    const mutated = await runsPasted(text, mutation)
    expect(mutated).toContain(`Error: ${found.fault}`)
    expect(mutated).toMatch(/Tests +1 failed \(1\)/)
    expect(await runsPasted(text)).toMatch(/Tests +1 passed \(1\)/)
  },
  PATIENCE_MS,
)
