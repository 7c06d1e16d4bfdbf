import { describe, expect, test } from 'vitest'
import { ALWAYS } from '../notes.ts'
import type { Errand, Note } from '../protocol.ts'
import type { Doubts, Fault, History, Letter, Life } from './history.ts'
import { judge } from './ledger.ts'

const END_MS = 10_000
const DOUBTS: Doubts = {
  losesWith: undefined,
  unheardMs: 10,
  answersSettlements: false,
  sendsAhead: true,
  membersBringBack: false,
  movesForMs: 0,
  silenceMs: 2_000,
}

type Untimed<N> = N extends Note ? Omit<N, 'at'> : never
type Said = readonly [at: number, note: Untimed<Note>]

const plain: Errand = { n: 0, tookMs: 0, fails: 0 }

function life(name: string, notes: readonly Said[], end: Partial<Life['end']> = {}): Life {
  return {
    name,
    role: name.startsWith('producer') ? 'producer' : 'member',
    // Adding the time loses which member of the union it was.
    notes: notes.map(([at, note]) => ({ ...note, at }) as Note),
    end: { at: END_MS, how: 'closed', trouble: '', ...end },
  }
}

const published = (errand: Errand = plain, id = 'a'): Life =>
  life('producer 1.1', [
    [1, { what: 'sending', messages: [{ id, errand }] }],
    [2, { what: 'confirmed', ids: [id] }],
  ])

const delivered = (at: number, id = 'a'): Said => [at, { what: 'delivered', id, unsettledBefore: 0 }]
const done = (at: number, id = 'a'): Said => [at, { what: 'done', id, attempt: 1 }]
const acked = (at: number, id = 'a'): Said => [at, { what: 'settled', id, how: 'ack' }]
const threw = (at: number, attempt: number): Said => [at, { what: 'threw', id: 'a', attempt }]
const state = (at: number, of: 'group' | 'connection', what: string): Said => [at, { what: 'state', of, state: what }]

interface More {
  readonly faults?: readonly Fault[]
  readonly letters?: readonly Letter[]
  readonly doubts?: Partial<Doubts>
}

function found(lives: readonly Life[], { doubts, ...more }: More = {}): readonly string[] {
  const history: History = { faults: [], letters: [], left: 0, doubts: { ...DOUBTS, ...doubts }, ...more, lives }
  return judge(history).findings.map(({ kind }) => kind)
}

test('handled once: nothing is wrong', () => {
  expect(found([published(), life('member 1.1', [delivered(5), done(6), acked(7)])])).toEqual([])
})

test('confirmed and not handled is lost; not confirmed, it may be gone', () => {
  expect(found([published()])).toEqual(['lost'])
  expect(found([life('producer 1.1', [[1, { what: 'sending', messages: [{ id: 'a', errand: plain }] }]])])).toEqual([])
})

test('what a killed member had not settled may be handled again, and what it had settled may not', () => {
  const again = life('member 2.1', [delivered(3_000), done(3_001), acked(3_002)])
  const killed = { at: 1_000, how: 'killed' as const }
  expect(found([published(), life('member 1.1', [delivered(5), done(6)], killed), again])).toEqual([])
  expect(found([published(), life('member 1.1', [delivered(5), done(6), acked(7)], killed), again])).toEqual(['duplicate'])
  // So shortly before its end that the broker may not have heard of it.
  expect(found([published(), life('member 1.1', [delivered(5), done(6), acked(995)], killed), again])).toEqual([])
  expect(found([published(), life('member 1.1', [delivered(5), done(6)], killed), again, again])).toEqual(['duplicate'])
})

test('a lost connection allows for what was out, and is a finding when nothing was done to it', () => {
  const first = life('member 1.1', [state(3, 'group', 'consuming'), delivered(5), done(6), state(500, 'group', 'reconnecting')])
  const lives = [published(), first, life('member 2.1', [delivered(3_000), done(3_001), acked(3_002)])]
  expect(found(lives, { faults: [{ kind: 'restart', at: 490, until: 600 }] })).toEqual([])
  expect(found(lives)).toEqual(['closed'])
  // Too short a silence for anybody to give up.
  expect(found(lives, { faults: [{ kind: 'freeze', at: 490, until: 600 }] })).toEqual(['closed'])
  // Before it had come up again.
  expect(found(lives, { faults: [{ kind: 'kill', at: 1, until: 2 }] })).toEqual(['closed'])
})

test('what is acknowledged into a line that was cut counts as not settled', () => {
  const first = life('member 1.1', [
    state(3, 'group', 'consuming'),
    delivered(5),
    done(100),
    acked(101),
    state(4_000, 'group', 'reconnecting'),
  ])
  const lives = [published(), first, life('member 2.1', [delivered(5_000), done(5_001), acked(5_002)])]
  expect(found(lives, { faults: [{ kind: 'cut', at: 50, until: 50 }] })).toEqual([])
  expect(found(lives, { faults: [{ kind: 'cut', at: 3_000, until: 3_000 }] })).toEqual(['duplicate'])
})

test('what was being published when the connection was lost may be there twice', () => {
  const producer = life('producer 1.1', [
    [1, { what: 'sending', messages: [{ id: 'a', errand: plain }] }],
    state(100, 'connection', 'reconnecting'),
    [300, { what: 'confirmed', ids: ['a'] }],
  ])
  const twice = life('member 1.1', [delivered(310), delivered(311), done(312), done(313), acked(314), acked(315)])
  expect(found([producer, twice], { faults: [{ kind: 'kill', at: 90, until: 200 }] })).toEqual([])
  expect(found([producer, twice], { faults: [{ kind: 'kill', at: 400, until: 500 }] })).toEqual(['duplicate'])
})

test('members that come and go as they are told explain nothing', () => {
  const first = life('member 1.1', [state(3, 'group', 'consuming'), delivered(5), done(6), acked(7)])
  const second = life('member 2.1', [state(400, 'group', 'consuming'), delivered(500), done(501), acked(502)])
  expect(found([published(), first, second], { faults: [{ kind: 'comeAndGo', at: 300, until: 600 }] })).toEqual(['duplicate'])
})

test('where settlements are answered, what has settled counts, whatever goes wrong after it', () => {
  const first = life('member 1.1', [state(3, 'group', 'consuming'), delivered(5), done(6), acked(7), state(12, 'group', 'reconnecting')])
  const lives = [published(), first, life('member 2.1', [delivered(500), done(501), acked(502)])]
  const faults: readonly Fault[] = [{ kind: 'kill', at: 6, until: 100 }]
  expect(found(lives, { faults })).toEqual([])
  expect(found(lives, { faults, doubts: { answersSettlements: true } })).toEqual(['duplicate'])
})

test('what a frozen member hands out when it wakes up is its own only where that was sent to it before', () => {
  const faults: readonly Fault[] = [{ kind: 'stopMemberLong', life: 'member 1.1', at: 100, until: 6_100 }]
  const woken = (at: number): Life =>
    life('member 1.1', [state(3, 'group', 'consuming'), delivered(at), done(at + 1), state(6_200, 'group', 'reconnecting')])
  const other = life('member 2.1', [delivered(5_000), done(5_001), acked(5_002)])
  expect(found([published(), woken(99), other], { faults })).toEqual([])
  expect(found([published(), woken(6_150), other], { faults, doubts: { sendsAhead: false } })).toEqual(['duplicate'])
  expect(found([published(), woken(6_150), other], { faults, doubts: { sendsAhead: true } })).toEqual([])
})

test('where members bring back what is due, one that is lost over it may have done so, and no other explains anything', () => {
  const retrying = (lostAt: number): Life =>
    life('member 1.1', [delivered(5), threw(6, 1), [7, { what: 'settled', id: 'a', how: 'retry', afterMs: 100 }]], {
      at: lostAt,
      how: 'killed',
    })
  const twice = life('member 2.1', [delivered(150), done(151), acked(152), delivered(900), done(901), acked(902)])
  const lives = (lostAt: number) => [published({ ...plain, fails: 1 }), retrying(lostAt), twice]
  const doubts = { membersBringBack: true, answersSettlements: true }
  expect(found(lives(120), { doubts })).toEqual([])
  expect(found(lives(120), { doubts: { answersSettlements: true } })).toEqual(['duplicate'])
  // Not due yet; brought back long ago.
  expect(found(lives(50), { doubts })).toEqual(['duplicate'])
  expect(found(lives(3_000), { doubts })).toEqual(['duplicate'])
})

test('a broker that goes down moves retries until the last of its clients is cut off, and one that was just moved may be moved again', () => {
  const retrying = life('member 1.1', [delivered(5), threw(6, 1), [7, { what: 'settled', id: 'a', how: 'retry', afterMs: 100 }]])
  const client = (n: number, cutAt: number) => life(`producer 2.${n}`, [state(cutAt, 'connection', 'reconnecting')])
  const twice = life('member 2.1', [delivered(950), delivered(951), done(960), done(961), acked(962), acked(963)])
  const lives = [published({ ...plain, fails: 1 }), retrying, twice, client(1, 103)]
  const more: More = { faults: [{ kind: 'restart', at: 100, until: 900 }] }
  expect(found([...lives, client(2, 120)], more)).toEqual([])
  expect(found(lives, more)).toEqual(['duplicate'])
  // It was cut off by something that came later.
  expect(found([...lives, client(2, 5_000)], more)).toEqual(['duplicate'])
})

test('what a member could not settle before it closed may be handled again when there was no broker, and only then', () => {
  const closing = life('member 1.1', [state(3, 'group', 'consuming'), delivered(5), done(6)], { at: 1_000 })
  const lives = [published(), closing, life('member 2.1', [delivered(2_000), done(2_001), acked(2_002)])]
  expect(found(lives)).toEqual(['duplicate'])
  expect(found(lives, { faults: [{ kind: 'restart', at: 4, until: 1_500 }] })).toEqual([])
})

test('a line that was cut is found to be dead when it has been silent, which may be while a member closes', () => {
  const closing = (at: number) => life('member 1.1', [state(3, 'group', 'consuming'), delivered(5), done(6)], { at })
  const lives = (at: number) => [published(), closing(at), life('member 2.1', [delivered(50_000), done(50_001), acked(50_002)])]
  const more: More = { faults: [{ kind: 'cut', at: 10, until: 10 }], doubts: { silenceMs: 5_000, answersSettlements: true } }
  expect(found(lives(20_000), more)).toEqual([])
  expect(found(lives(40_000), more)).toEqual(['duplicate'])
})

test('where a member keeps what it has over a lost connection, only its being given up explains a repeat', () => {
  const lost = (code: string): Life =>
    life(
      'member 1.1',
      [state(3, 'group', 'consuming'), delivered(5), done(6), [500, { what: 'state', of: 'group', state: 'reconnecting', code }]],
      { at: 60_000 },
    )
  const other = life('member 2.1', [delivered(5_000), done(5_001), acked(5_002)])
  const more: More = { faults: [{ kind: 'kill', at: 490, until: 600 }], doubts: { losesWith: 'MEMBERSHIP_LOST', answersSettlements: true } }
  expect(found([published(), lost('MEMBERSHIP_LOST'), other], more)).toEqual([])
  expect(found([published(), lost('CONNECTION_LOST'), other], more)).toEqual(['duplicate'])
  expect(found([published(), lost('CONNECTION_LOST'), other])).toEqual(['closed'])
})

test('a member that was frozen may be told that it was given up after its broker has come back', () => {
  const lives = [published(), life('member 1.1', [state(9_000, 'group', 'consuming'), state(9_500, 'group', 'reconnecting')])]
  const frozen: Fault = { kind: 'stopMemberLong', life: 'member 1.1', at: 100, until: 6_100 }
  const away = (until: number): Fault => ({ kind: 'kill', at: 6_000, until })
  const findings = (faults: readonly Fault[]) => found(lives, { faults }).filter((kind) => kind === 'closed')
  expect(findings([frozen, away(8_000)])).toEqual([])
  expect(findings([frozen, away(6_500)])).toEqual(['closed'])
  expect(findings([frozen])).toEqual(['closed'])
})

test('a line that was cut may be found to be dead after the others are back', () => {
  const late = life('member 1.1', [
    state(1_000, 'group', 'consuming'),
    delivered(1_005),
    done(1_006),
    acked(1_007),
    state(3_000, 'group', 'reconnecting'),
  ])
  expect(found([published(), late], { faults: [{ kind: 'cut', at: 500, until: 500 }] })).toEqual([])
  expect(found([published(), late], { faults: [{ kind: 'kill', at: 500, until: 500 }] })).toEqual(['closed'])
})

test('in the dead letters is right only what has failed every attempt, or has killed its process', () => {
  const hopeless = { ...plain, fails: ALWAYS }
  const all = life('member 1.1', [delivered(3), ...[1, 2, 3, 4, 5].map((attempt) => threw(3 + attempt, attempt))])
  const few = life('member 1.1', [delivered(3), threw(4, 1)])
  const failed: Letter = { id: 'a', reason: 'failed', attempt: 5 }
  const crash: Letter = { id: 'a', reason: 'crash', attempt: 1 }
  expect(found([published(hopeless), all], { letters: [failed] })).toEqual([])
  expect(found([published(hopeless), few], { letters: [failed] })).toEqual(['wronglyDead'])
  expect(found([published(plain), all], { letters: [failed] })).toEqual(['wronglyDead'])
  expect(found([published(plain), all], { letters: [crash] })).toEqual(['wronglyDead'])
  expect(found([published({ ...plain, kills: true })], { letters: [crash] })).toEqual([])
  expect(found([published(hopeless), all], { letters: [failed, failed] })).toEqual(['duplicate'])
})

describe('a message that is dead-lettered as a crash, and has killed nothing', () => {
  const out = (at: number, unsettledBefore: number, id = 'a'): Said => [at, { what: 'delivered', id, unsettledBefore }]
  const called = (at: number, id = 'a'): Said => [at, { what: 'called', id, attempt: 1 }]
  const buried = (at: number, unsettledBefore: number): Life =>
    life('member 9.1', [out(at, unsettledBefore), [at + 1, { what: 'settled', id: 'a', how: 'deadLetter' }]])
  const killed = (at: number, ...notes: readonly Said[]): Life => life(`member ${at}.1`, notes, { at: at + 9, how: 'killed' })
  const alone = (n: number) => killed(10 * n, out(10 * n, n - 1), called(10 * n + 1))
  const letters: readonly Letter[] = [{ id: 'a', reason: 'crash', attempt: 1 }]
  const findings = (...lives: readonly Life[]) =>
    found([published(), published(plain, 'b'), ...lives], { letters }).filter((kind) => kind === 'wronglyDead')

  test('is no finding where each hand-out looked like a crash: it ran alone, or was new, or no member saw it', () => {
    expect(findings(alone(1), alone(2), alone(3), alone(4), alone(5), buried(60, 5))).toEqual([])
    expect(
      findings(killed(10, out(10, 0), out(10, 0, 'b'), called(11, 'b')), alone(2), alone(3), alone(4), alone(5), buried(60, 5)),
    ).toEqual([])
    expect(findings(alone(1), alone(2), buried(60, 5))).toEqual([])
    const copy = life('member 7.1', [out(70, 0), called(71), done(72), acked(73)])
    expect(findings(alone(1), alone(2), buried(60, 5), copy)).toEqual([])
  })

  test('is one where it was handed out before, and waited or ran beside others when its member was killed', () => {
    const four = [alone(1), alone(2), alone(3), alone(4)]
    expect(findings(...four, killed(50, out(50, 4)), buried(60, 5))).toEqual(['wronglyDead'])
    expect(findings(...four, killed(50, out(50, 4), called(51), out(52, 0, 'b'), called(53, 'b')), buried(60, 5))).toEqual(['wronglyDead'])
    expect(findings(...four, killed(50, out(50, 4), called(51), out(52, 0, 'b'), called(53, 'b'), done(54, 'b')), buried(60, 5))).toEqual(
      [],
    )
  })

  test('is none where its own handler had been running for long, whatever had begun beside it since', () => {
    const long = life('member 5.1', [out(50, 4), called(51), out(52, 0, 'b'), called(400, 'b')], { at: 500, how: 'killed' })
    expect(findings(alone(1), alone(2), alone(3), alone(4), long, buried(600, 5))).toEqual([])
  })

  test('is one where it had waited before it was acknowledged, and that was lost', () => {
    const waited = [killed(30, out(30, 2)), killed(40, out(40, 3))]
    const unheard = life('member 5.1', [out(50, 4), called(51), done(52), acked(53)])
    expect(findings(alone(1), alone(2), ...waited, unheard, buried(60, 5))).toEqual(['wronglyDead'])
  })

  test('is one where it was settled meanwhile: what was before that no longer counts', () => {
    const retried = life('member 6.1', [out(60, 5), called(61), threw(62, 1), [63, { what: 'settled', id: 'a', how: 'retry', afterMs: 1 }]])
    expect(findings(alone(1), alone(2), alone(3), alone(4), alone(5), retried, buried(70, 4))).toEqual(['wronglyDead'])
  })
})

test('a process that does not end when it is told to is a finding', () => {
  expect(found([{ ...published(), end: undefined }, life('member 1.1', [delivered(5), done(6), acked(7)])])).toEqual(['stuck'])
})

test('a process that ends by itself is a finding, unless it found no broker to start with', () => {
  const failed = { how: 'failed' as const, at: 5_000 }
  const without = life('member 1.1', [[5_000, { what: 'gaveUp', code: 'CONNECT' }]], failed)
  expect(found([life('member 1.1', [], failed)])).toEqual(['died'])
  expect(found([without])).toEqual(['died'])
  expect(found([without], { faults: [{ kind: 'restart', at: 1_000, until: 6_000 }] })).toEqual([])
})
