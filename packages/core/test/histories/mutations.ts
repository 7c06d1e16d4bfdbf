import type { Change } from '../../src/testing/conformance/chaos/mutation.ts'

/** One decision of the runtime made otherwise: histories must find it, by what it breaks. */
export interface RuntimeMutation {
  readonly name: string
  readonly changes: readonly Change[]
  /** A pattern of what is said of the first promise that is broken. */
  readonly shows: RegExp
}

export const mutations: readonly [RuntimeMutation, ...RuntimeMutation[]] = [
  {
    name: 'settle before the commit',
    changes: [
      {
        file: 'consumer/dispatch.ts',
        find: `return inSession(scope, opens, async (db) => {
    call.begins()
    return askInbox(handling, { db })
  })`,
        replace: `return new Promise((resolve, reject) => {
    inSession(scope, opens, async (db) => {
      call.begins()
      const verdict = await askInbox(handling, { db })
      resolve(verdict)
      return verdict
    }).catch(reject)
  })`,
      },
    ],
    shows: /acknowledged without its effect|recorded is published, and it has not committed/,
  },
  {
    name: 'publish what was recorded before the commit',
    changes: [
      {
        file: 'consumer/dispatch.ts',
        find: 'return outlet.outbox && scope.recorded.length > 0 ? writeRecorded(scope, scope.recorded, outlet).then(() => OK) : OK',
        replace: 'return releaseConfirmed(scope).then(() => OK)',
      },
    ],
    shows: /recorded is published, and it has not committed/,
  },
  {
    name: 'publish what was recorded by a handler that failed',
    changes: [
      { file: 'scope/in-session.ts', find: 'scope.recorded.length = 0\n    throw thrown', replace: 'throw thrown' },
      {
        file: 'consumer/dispatch.ts',
        find: 'discard(scope)\n  // A handler whose part',
        replace: 'void releaseConfirmed(scope)\n  // A handler whose part',
      },
    ],
    shows: /recorded is published, and it has not/,
  },
  {
    name: 'acknowledge before what was recorded is confirmed',
    changes: [
      {
        file: 'consumer/dispatch.ts',
        find: 'return scope.recorded.length === 0 ? dispatched : releaseConfirmed(scope).then(() => dispatched)',
        replace: 'void releaseConfirmed(scope)\n  return dispatched',
      },
    ],
    shows: /acknowledged before what it recorded is confirmed/,
  },
  {
    name: 'count a hand-back as an attempt',
    changes: [{ file: 'consumer/thrown.ts', find: "if (call.aborted) return { kind: 'unsettled', why: 'handed back' }", replace: '' }],
    shows: /is retried, and no call of it has failed/,
  },
  {
    name: 'lose the order of a key after a retry',
    changes: [
      {
        file: 'consumer/lanes.ts',
        find: 'if (rest && !this.#stopped) this.#park(job, rest.againAfterMs)\n    else this.#next(job)',
        replace: 'if (rest && !this.#stopped) this.#park(job, rest.againAfterMs)\n    this.#next(job)',
      },
    ],
    shows: /of the same key/,
  },
  {
    name: 'dead letter one attempt early',
    changes: [{ file: 'consumer/outcome.ts', find: 'if (attempt > most)', replace: 'if (attempt >= most)' }],
    shows: /is dead after attempt 2 \(failed\)/,
  },
  {
    name: 'acknowledge after the time-out',
    changes: [
      { file: 'consumer/dispatch.ts', find: 'forbid(call)\n  if (scope.parting)', replace: 'if (scope.parting)' },
      { file: 'scope/in-session.ts', find: 'if (guard) forbid(guard)', replace: '' },
    ],
    shows: /acknowledged without its effect|has committed, and its handler late|recorded is published, and it has not worked/,
  },
  {
    name: 'handle what the inbox has marked',
    changes: [
      {
        file: 'consumer/dispatch.ts',
        find: '(first ? handle(handling, opened) : DUPLICATE)',
        replace: 'handle(handling, opened)',
      },
    ],
    shows: /the effect of m\d is there 2 times/,
  },
  {
    name: 'begin what was taken from us',
    changes: [
      { file: 'consumer/group-run.ts', find: 'this.#lanes.drop((work) => work.lost)', replace: '' },
      { file: 'consumer/group-run.ts', find: 'if (work.lost) return undefined\n    const startedAt', replace: 'const startedAt' },
    ],
    shows: /and was taken from it before|of the same key|after it was/,
  },
  {
    name: 'begin when the session or the inbox was waited for too long',
    changes: [
      { file: 'consumer/dispatch.ts', find: 'if (opened) mayBegin(call)', replace: '' },
      { file: 'consumer/work.ts', find: 'forbid(this)\n    // A session may', replace: '// A session may' },
    ],
    shows: /and was taken from it before|which is over/,
  },
  {
    name: 'spend an attempt on what comes later',
    changes: [
      {
        file: 'consumer/outcome.ts',
        find: '[HEADER.snoozes]: String(snoozes), [HEADER.attempt]: String(attempt), ...taken(delivery)',
        replace: '[HEADER.snoozes]: String(snoozes), [HEADER.attempt]: String(attempt + 1), ...taken(delivery)',
      },
    ],
    shows: /is retried as attempt 2, and it will be its 1/,
  },
  {
    name: 'begin after a stop',
    changes: [{ file: 'consumer/lanes.ts', find: 'stop(): void {\n    this.#stopped = true', replace: 'stop(): void {' }],
    shows: /was taken from it before|is closed and handles|end/,
  },
  {
    name: 'handle messages of a key side by side',
    changes: [
      {
        file: 'consumer/lanes.ts',
        find: 'if (job.lane !== undefined && this.#lines.has(job.lane)) this.#wait(job, job.lane)\n      else {',
        replace: '{',
      },
    ],
    shows: /of the same key/,
  },
  {
    name: 'give what follows from a message a new id each time',
    changes: [
      {
        file: 'scope/scope.ts',
        find: 'if (!derivesFrom) return undefined\n',
        replace: 'if (derivesFrom) return undefined\n  if (!derivesFrom) return undefined\n',
      },
    ],
    shows: /what follows from m\d is published as/,
  },
  {
    name: 'forget a lane when its message comes again',
    changes: [
      {
        file: 'consumer/work.ts',
        find: "if (outcome.kind === 'retry') this.attempt++\n    else this.snoozes++",
        replace: 'this.snoozes++',
      },
    ],
    shows: /is handled as attempt 1, and it is its 2/,
  },
  {
    name: 'leave a key standing after its message',
    changes: [
      {
        file: 'consumer/lanes.ts',
        find: 'if (rest && !this.#stopped) this.#park(job, rest.againAfterMs)\n    else this.#next(job)',
        replace: 'if (rest && !this.#stopped) this.#park(job, rest.againAfterMs)',
      },
    ],
    shows: /is still waiting/,
  },
  {
    name: 'lose what was recorded where there is an outbox',
    changes: [
      {
        file: 'consumer/dispatch.ts',
        find: 'return outlet.outbox && scope.recorded.length > 0 ? writeRecorded(scope, scope.recorded, outlet).then(() => OK) : OK',
        replace: 'if (outlet.outbox) scope.recorded.length = 0\n  return OK',
      },
    ],
    shows: /what follows from m\d was never published/,
  },
]
