/**
 * The test runner whose tests run in this process. Only marks inside the process count: what a runner says in variables is inherited by the services that
 * a test spawns, and those are no tests.
 */
export function testRunner(): string | undefined {
  const marks = globalThis as { readonly __vitest_worker__?: unknown; readonly [JEST]?: unknown }
  if (marks.__vitest_worker__ !== undefined) return 'Vitest'
  if (marks[JEST] !== undefined) return 'Jest'
  // `moduleLoadList` is what Node has loaded of itself, and types do not know it. node:test is loaded by nobody but tests.
  const { moduleLoadList = [] } = process as { readonly moduleLoadList?: readonly string[] }
  return moduleLoadList.includes('NativeModule internal/test_runner/harness') ? 'node:test' : undefined
}

/** Jest keeps the real Promise here, in the global object of every test file. */
const JEST = Symbol.for('jest-native-promise')
