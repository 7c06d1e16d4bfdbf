import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Change, changed, EMPTY, type State } from './state.ts'

/** The changes that a service may tell of a document. Each revision says one thing: of the whole to `put` and `remove`, of each field to `merge`. */
const history = fc
  .record({
    whole: fc.uniqueArray(
      fc.record({ revision: fc.integer({ min: 1, max: 6 }), fields: fc.option(fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(9))) }),
      {
        selector: ({ revision }) => revision,
        maxLength: 4,
      },
    ),
    parts: fc.uniqueArray(
      fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), revision: fc.integer({ min: 1, max: 6 }), value: fc.nat(9) }),
      {
        selector: ({ name, revision }) => `${name}${revision}`,
        maxLength: 8,
      },
    ),
  })
  .map(({ whole, parts }): readonly Change[] => {
    const puts = whole.map(({ revision, fields }): Change => (fields ? { kind: 'put', fields, revision } : { kind: 'remove', revision }))
    // A field has one value in one revision, whether the whole says it or a part.
    const value = (name: string, revision: number, own: number): number =>
      whole.find((one) => one.revision === revision)?.fields?.[name] ?? own
    return [
      ...puts,
      ...parts.map(
        ({ name, revision, value: own }): Change => ({ kind: 'merge', fields: { [name]: value(name, revision, own) }, revision }),
      ),
    ]
  })

const after = (changes: readonly Change[]): State => changes.reduce<State>((state, change) => changed(state, change) ?? state, EMPTY)

test('changes come out the same in any order, however often each comes', () => {
  fc.assert(
    fc.property(
      history.chain((changes) =>
        fc.tuple(fc.constant(changes), fc.shuffledSubarray([...changes, ...changes], { minLength: changes.length * 2 })),
      ),
      ([changes, shuffled]) => {
        expect(after(shuffled)).toEqual(after(changes))
      },
    ),
    { numRuns: 5_000 },
  )
})

test('a change that says nothing new is none', () => {
  fc.assert(
    fc.property(history, (changes) => {
      const state = after(changes)
      expect(changes.map((change) => changed(state, change))).toEqual(changes.map(() => undefined))
    }),
  )
})
