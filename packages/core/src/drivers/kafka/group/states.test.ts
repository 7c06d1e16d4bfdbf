import { expect, test } from 'vitest'
import type { SubscriptionState } from '../../../driver.ts'
import { MemberStates } from './states.ts'

function memberStates({ reads = true }: { reads?: boolean } = {}) {
  const told: SubscriptionState[] = []
  let away = 0
  const states = new MemberStates({ onState: (state) => told.push(state), reads: () => reads, onAway: () => away++ })
  return { states, told, kinds: () => told.map(({ kind }) => kind), away: () => away }
}

const error = new Error('gone')

test('a member that lost its broker is back when the group and a leader of partitions have both answered since', () => {
  const { states, kinds, away } = memberStates()
  states.begin({ kind: 'consuming' })
  states.heardBeat()
  states.heardAnswer()
  states.trouble(error)
  states.trouble(new Error('still gone'))
  states.heardBeat()
  expect([kinds(), away(), states.lastTrouble]).toEqual([['consuming', 'reconnecting'], 1, error])
  states.heardAnswer()
  expect([kinds(), states.lastTrouble]).toEqual([['consuming', 'reconnecting', 'consuming'], undefined])
})

test('a member that has nothing to read is back with the answer of the group alone', () => {
  const { states, kinds } = memberStates({ reads: false })
  states.begin({ kind: 'consuming' })
  states.trouble(error)
  states.heardBeat()
  expect(kinds()).toEqual(['consuming', 'reconnecting', 'consuming'])
})

test('a member that is expelled while it is away says that too', () => {
  const { states, told } = memberStates()
  states.begin({ kind: 'consuming' })
  states.trouble(error)
  const expelled = new Error('expelled')
  states.expelled(expelled)
  expect(told.slice(1)).toEqual([
    { kind: 'reconnecting', error },
    { kind: 'reconnecting', error: expelled },
  ])
})

test('a member that is refused before it has begun says nothing, and knows why', () => {
  const { states, told } = memberStates()
  states.dead(error)
  states.dead(new Error('another'))
  expect([told, states.refusal]).toEqual([[], error])
})

test('a dead member stays dead, and a notice is told once it consumes', () => {
  const { states, told, kinds } = memberStates()
  const early = new Error('too early')
  states.notice(early)
  states.begin({ kind: 'consuming' })
  states.notice(error)
  expect(told).toEqual([{ kind: 'consuming' }, { kind: 'consuming', notice: early }, { kind: 'consuming', notice: error }])
  states.dead(error)
  states.heardBeat()
  states.heardAnswer()
  states.notice(error)
  expect(kinds()).toEqual(['consuming', 'consuming', 'consuming', 'dead'])
})

test('a member that has ended says nothing more', () => {
  const { states, kinds } = memberStates()
  states.begin({ kind: 'consuming' })
  states.end()
  states.trouble(error)
  states.expelled(error)
  states.dead(error)
  expect(kinds()).toEqual(['consuming'])
})
