import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { clusterMutations, mutations as kafka } from '../../../drivers/kafka/fixtures/mutations.ts'
import { mutations as rabbitmq } from '../../../drivers/rabbitmq/fixtures/mutations.ts'
import { mutations as redis } from '../../../drivers/redis/fixtures/mutations.ts'
import { changesOf } from './mutation.ts'
import { coreMutations } from './safeguards.ts'

const all = [...coreMutations, ...rabbitmq, ...redis, ...kafka, ...clusterMutations]

test.each(all)('what "$name" takes out is there exactly once', (mutation) => {
  expect(changesOf(mutation)).toHaveLength(mutation.changes.length)
})

test.each(all)('without it, what is left of the files of "$name" is a program', (mutation) => {
  const changed = new Map<string, string>()
  for (const { url, find, replace } of changesOf(mutation))
    changed.set(
      url,
      (changed.get(url) ?? readFileSync(fileURLToPath(url), 'utf8')).replace(find, () => replace),
    )
  // Stripping the types throws where the syntax is wrong.
  for (const text of changed.values()) expect(stripTypeScriptTypes(text)).not.toBe('')
})

test('a change that finds nothing, or more than one place, is an error and not a run that changes nothing', () => {
  const changing = (find: string) => ({ name: 'm', changes: [{ file: 'consumer/limit.ts', find, replace: '' }] })
  expect(() => changesOf(changing('what is not there'))).toThrow(/"what is not there" is in consumer\/limit.ts 0 times/)
  expect(() => changesOf(changing('this'))).toThrow(/and must be there once/)
})
