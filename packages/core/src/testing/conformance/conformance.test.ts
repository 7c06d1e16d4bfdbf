import { expect, test } from 'vitest'
import {
  type ConformanceCase,
  type ConformanceTarget,
  conformanceCases,
  conformanceResults,
  conformanceTable,
  runConformance,
} from './index.ts'

const target: ConformanceTarget = {
  name: 'paper',
  capabilities: {
    durable: false,
    orderedAcrossProcesses: true,
    keepsHistory: false,
    longestHandlingMs: Number.POSITIVE_INFINITY,
    members: false,
  },
  options: { broker: 'memory', url: 'memory://paper' },
  exceptions: [],
  connect: () => Promise.reject(new Error('nobody connects here')),
}

const caseNamed = (name: string, more: Partial<ConformanceCase> = {}): ConformanceCase => ({
  section: 'Some',
  name,
  timeoutMs: 1_000,
  run: () => Promise.resolve(),
  ...more,
})

const cases = [
  caseNamed('holds', { alone: true }),
  caseNamed('fails', { run: () => Promise.reject(new Error('no')) }),
  caseNamed('hangs', { timeoutMs: 20, run: () => new Promise(() => {}) }),
  caseNamed('needs more', { section: 'Other', needs: () => 'too little' }),
  caseNamed('takes long', { section: 'Other', soak: true }),
]

test('every case has a name of its own: exceptions and tables go by it', () => {
  const names = conformanceCases.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

test('a target that excuses a case there is not is refused', () => {
  const excusing = { ...target, exceptions: [{ name: 'was renamed', reason: 'forgotten' }] }
  const runner = { describe: () => {}, test: () => {}, skip: () => {} }
  expect(() => runConformance(excusing, runner)).toThrow(/exceptions of paper that name no case: "was renamed"/)
})

test('a runner is given what applies to run, and the rest with its reason', () => {
  const declared: string[] = []
  const excused = conformanceCases[0] as ConformanceCase
  runConformance(
    { ...target, exceptions: [{ name: excused.name, reason: 'it is made of paper' }] },
    {
      describe: (name, body) => {
        declared.push(name)
        body()
      },
      test: (name, _, { timeoutMs, alone }) => declared.push(`${name} within ${timeoutMs} ms${alone ? ', alone' : ''}`),
      skip: (name, reason) => declared.push(`${name}: ${reason}`),
    },
    { cases: [excused, ...cases.slice(0, 1), ...cases.slice(3)], soak: false },
  )
  expect(declared).toEqual([
    `paper: ${excused.section}`,
    `${excused.name}: exception: it is made of paper`,
    'paper: Some',
    'holds within 1000 ms, alone',
    'paper: Other',
    'needs more: does not apply: too little',
    'takes long: only in a soak run (COREBUS_SOAK=1)',
  ])
})

test('results without a runner become a table, with a note for what was skipped', async () => {
  const told: string[] = []
  const one = await conformanceResults(target, { cases, onResult: ({ name }, { kind }) => told.push(`${name} ${kind}`) })
  expect(told).toEqual(['fails failed', 'hangs failed', 'needs more skipped', 'takes long skipped', 'holds held'])
  const two = await conformanceResults(target, { cases, soak: true, atOnce: 3 })
  expect(two.size).toBe(5)
  const table = conformanceTable(
    new Map([
      ['paper', one],
      ['stone', two],
    ]),
    cases,
  )
  expect(table.split('\n')).toEqual([
    '| behaviour | paper | stone |',
    '|---|---|---|',
    '| **Some** | | |',
    '| holds | yes | yes |',
    '| fails | **no** | **no** |',
    '| hangs | **no** | **no** |',
    '| **Other** | | |',
    '| needs more | - (1) | - (1) |',
    '| takes long | - (2) | yes |',
    '',
    '1. does not apply: too little',
    '2. only in a soak run (COREBUS_SOAK=1)',
    '',
  ])
})
