import fc from 'fast-check'
import type { Step, World } from './history.ts'
import type { Act, Setting } from './setting.ts'

/** A step as fast-check's commands have it. */
export class StepCommand implements fc.AsyncCommand<World, World> {
  readonly #step: Step

  constructor(step: Step) {
    this.#step = step
  }

  check(world: Readonly<World>): boolean {
    return world.can(this.#step)
  }

  async run(world: World): Promise<void> {
    await world.happens(this.#step)
  }

  toString(): string {
    return JSON.stringify(this.#step)
  }
}

const act = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Act>('works', 'fails') },
  { weight: 4, arbitrary: fc.constantFrom<Act>('rejects', 'comes later', 'hangs', 'obeys') },
  { weight: 1, arbitrary: fc.constant<Act>('kills') },
)
const member = fc.nat(1)

const publish = fc.record({ do: fc.constant('publish' as const), id: fc.nat(8), acts: fc.array(act, { maxLength: 3 }) })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: publish },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('publish in a session' as const), id: fc.nat(8), commits: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(100, 500, 1_000, 2_500) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose the connection' as const), member }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kill' as const), member }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('stop' as const), member }) },
  { weight: 3, arbitrary: fc.constant({ do: 'start' } as const) },
)

export const commands: fc.Arbitrary<Iterable<fc.AsyncCommand<World, World>>> = fc.commands([step.map((one) => new StepCommand(one))], {
  maxCommands: 16,
  size: 'max',
})

export const setting: fc.Arbitrary<Setting> = fc.record({
  effects: fc.constantFrom('plain' as const, 'session' as const, 'inbox' as const),
  ordering: fc.constantFrom('none' as const, 'key' as const),
  concurrency: fc.integer({ min: 1, max: 3 }),
})
