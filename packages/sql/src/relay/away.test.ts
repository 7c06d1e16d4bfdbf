import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { AwayTopics } from './away.ts'

const turn = (away: readonly string[], taken: readonly string[] = []) => ({ away, taken: new Set(taken) })

test('a topic that takes nothing in a round is away behind it, however long the rest of the round takes', async () => {
  const topics = new AwayTopics()
  const begun = topics.begin()
  topics.after(turn(['full']), 0)
  await sleep(130) // longer than it is left alone
  topics.seenAll(begun)
  expect([topics.some, topics.now()]).toEqual([true, []])
})

test('a topic without rows is forgotten by the round that could have seen them', async () => {
  const topics = new AwayTopics()
  topics.after(turn(['full']), 0)
  topics.seenAll(topics.begin())
  expect(topics.some).toBe(true) // it was left alone
  await sleep(130)
  topics.seenAll(topics.begin())
  expect(topics.some).toBe(false)
})
