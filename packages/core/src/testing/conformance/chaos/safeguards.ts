import type { Mutation } from './mutation.ts'

/** Safeguards of the core, which every driver relies on. A driver names its own in its `ConformanceTarget`. */
export const coreMutations: readonly [Mutation, ...Mutation[]] = [
  {
    name: 'acknowledge before handling',
    changes: [
      {
        file: 'consumer/group-run.ts',
        find: 'const dispatched = inFrameAsLoaded(dispatch, work, work.topic, this.#options.dispatch)',
        replace: `const dispatched = this.#subscribed.promise
          .then((subscription) => subscription.settle([{ kind: 'ack', delivery: work.delivery }]))
          .then(() => dispatch(work, work.topic, this.#options.dispatch))`,
      },
    ],
    shows: ['lost'],
    // Without messages that fail: their retries would be lost without any fault.
    chaos: {
      forMs: 1_000,
      leastConfirmed: 300,
      mix: { failing: 0, hopeless: 0, slow: 15, killing: 0 },
      deck: { killMember: 8 },
      pauseMs: 100,
    },
  },
  {
    name: 'crash guard without isolation',
    changes: [
      { file: 'consumer/group-run.ts', find: 'suspect: crashes > 0', replace: 'suspect: false' },
      { file: 'consumer/group-run.ts', find: 'if (crashes > 0) this.#limit.isolate()\n      else if', replace: 'if' },
      { file: 'consumer/limit.ts', find: '#current = 1\n', replace: '#current = 20\n' },
    ],
    shows: ['wronglyDead'],
    chaos: { forMs: 1_000, leastConfirmed: 400, mix: { failing: 5, hopeless: 0, slow: 0, killing: 1 }, deck: {}, pauseMs: 100 },
  },
]
