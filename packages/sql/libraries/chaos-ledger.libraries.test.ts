import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Effect, History, Life } from './chaos/history.ts'
import { judge } from './chaos/ledger.ts'
import { loaded, MUTATIONS } from './chaos/mutation.ts'
import type { Move, Said } from './chaos/protocol.ts'

const move = (n: number, token = `t${n}`, key = 'k0'): Move => ({ token, key, n })
const effect = (n: number, seq = n, token = `t${n}`): Effect => ({ ...move(n, token), seq })
const seen = (at: number, moved: Move): Said => ({ kind: 'seen', at, id: `id-${moved.token}`, move: moved })
const life = (role: Life['role'], said: readonly Said[], end: Life['end'] = { at: 99_000, how: 'closed', trouble: '' }): Life => ({
  name: `${role} 1.1`,
  role,
  said,
  end,
})

function history(changed: Partial<History> & { readonly sights?: readonly Said[] } = {}): History {
  const { sights = [seen(10, move(1)), seen(20, move(2))], ...rest } = changed
  return {
    lives: [life('recorder', sights)],
    faults: [],
    movements: [move(1), move(2)],
    effects: [effect(1), effect(2)],
    ordered: true,
    left: 0,
    dead: 0,
    ...rest,
  }
}

const found = (changed: Parameters<typeof history>[0]) => judge(history(changed)).findings.map(({ kind }) => kind)

test('all is well where each movement was published and has one effect, in the order of its key', () => {
  expect(judge(history())).toEqual({ committed: 2, rolledBack: 0, effects: 2, copies: 0, faults: {}, findings: [] })
})

test('a movement is lost when it has no effect, and when it was never published', () => {
  expect(found({ effects: [effect(1)] })).toEqual(['lost'])
  expect(found({ sights: [seen(10, move(1))] })).toEqual(['lost'])
})

test('two effects of one movement are a finding, and their order is that of the first', () => {
  expect(found({ effects: [effect(1), effect(2), effect(1, 3)] })).toEqual(['twice'])
})

test('a rolled-back movement that has an effect, or was published, is a finding', () => {
  expect(found({ effects: [effect(1), effect(2), effect(3, 3, 'gone')] })).toEqual(['rolledBack'])
  expect(found({ sights: [seen(10, move(1)), seen(20, move(2)), seen(30, move(3, 'gone'))] })).toEqual(['rolledBack'])
})

test('an effect after that of a later one is a finding where consumers keep the order, and a publish after a later one everywhere', () => {
  const crossed = [effect(2, 1), effect(1, 2)]
  expect(found({ effects: crossed })).toEqual(['order'])
  expect(found({ effects: crossed, ordered: false })).toEqual([])
  expect(found({ sights: [seen(10, move(2)), seen(20, move(1))], ordered: false })).toEqual(['publishOrder'])
  const other = { ...move(1, 'x1', 'k1') }
  expect(
    found({
      movements: [move(1), move(2), other],
      effects: [effect(1), effect(2), { ...other, seq: 1 }],
      sights: [seen(10, move(1)), seen(20, move(2)), seen(30, other)],
    }),
  ).toEqual([])
})

describe('a movement that was published again', () => {
  const recorder = life('recorder', [seen(10, move(1)), seen(20, move(2)), seen(30, move(1))])
  const confirmed = (at: number): Said => ({ kind: 'published', at, id: 'id-t1' })
  const lives = [life('relay', [confirmed(20_000)]), life('relay', [confirmed(60_000)]), recorder]

  test('is a finding where nothing had gone wrong, or only to somebody who publishes nothing', () => {
    expect(found({ lives })).toEqual(['again'])
    expect(found({ lives, faults: [{ kind: 'killConsumer', at: 59_000, until: 59_500 }] })).toEqual(['again'])
    expect(found({ lives, faults: [{ kind: 'killRelay', at: 1_000, until: 1_100 }] })).toEqual(['again'])
    expect(found({ lives, faults: [{ kind: 'killRelay', at: 60_001, until: 60_100 }] })).toEqual(['again'])
  })

  test('is none where a relay, the database or the broker was in trouble around the first time, or since', () => {
    for (const kind of ['killRelay', 'cutDatabase', 'freezeBroker'] as const)
      for (const at of [10_000, 20_100, 59_000]) expect(found({ lives, faults: [{ kind, at, until: at + 500 }] })).toEqual([])
    expect(judge(history({ lives })).copies).toBe(1)
  })
})

test('rows that are left, and what is dead, are findings', () => {
  expect(found({ left: 1, dead: 1 })).toEqual(['left', 'dead'])
})

test('a process that ends by itself is a finding, unless it found no broker or database to start with; one that never ends is one too', () => {
  const recorder = life('recorder', [seen(10, move(1)), seen(20, move(2))])
  const gaveUp = life('consumer', [{ kind: 'gaveUp', at: 5_000, code: 'CONNECT', text: 'no' }], { at: 5_000, how: 'failed', trouble: '' })
  expect(found({ lives: [recorder, gaveUp] })).toEqual(['died'])
  expect(found({ lives: [recorder, gaveUp], faults: [{ kind: 'killDatabase', at: 1_000, until: 4_000 }] })).toEqual([])
  expect(found({ lives: [recorder, { ...gaveUp, end: undefined }] })).toEqual(['stuck'])
  const stuck: Said = { kind: 'gaveUp', at: 5_000, code: 'STUCK', text: 'a handler never ends' }
  expect(found({ lives: [recorder, { ...gaveUp, said: [stuck] }] })).toEqual([])
})

test('a finding tells the story of its event, with what went wrong around it', () => {
  const committed: Said = { kind: 'committed', at: 5, tokens: ['t1'] }
  const { findings } = judge(
    history({
      lives: [life('producer', [committed]), life('recorder', [seen(10, move(1)), seen(20, move(2))])],
      effects: [effect(2)],
      faults: [{ kind: 'killRelay', at: 7, until: 9, life: 'relay 1.1' }],
    }),
  )
  expect(findings[0]?.story).toEqual(['5 producer 1.1 committed', '7 fault killRelay of relay 1.1 for 2 ms', '10 recorder 1.1 seen'])
})

describe.each(['sqlite', 'postgres', 'mariadb'] as const)('on %s', (database) => {
  test.each(MUTATIONS)('what "$name" takes out is there exactly once, and what is left is a program', (mutation) => {
    for (const { url, find, replace } of loaded(mutation, database)) {
      const changed = readFileSync(fileURLToPath(url), 'utf8').replace(find, () => replace)
      // Stripping the types throws where the syntax is wrong.
      expect(stripTypeScriptTypes(changed)).toContain(replace.slice(0, 20))
    }
  })
})

test('a change whose text is not there, or more than once, is an error and not a run that changes nothing', () => {
  const changing = (find: string) => ({ name: 'm', changes: () => [{ file: 'sql/src/index.ts', find, replace: '' }] })
  expect(() => loaded(changing('what is not there'), 'sqlite')).toThrow(/"what is not there" is in sql\/src\/index.ts 0 times/)
  expect(() => loaded(changing('export'), 'sqlite')).toThrow(/and must be there once/)
})
