/** Thrown inside the session, so that it rolls back. */
export class Forbidden extends Error {
  readonly why: 'timed out' | 'lost'
  constructor(why: 'timed out' | 'lost') {
    super(why === 'lost' ? 'the message was taken from us while it was handled' : 'the handler took longer than handlerTimeoutMs')
    this.why = why
  }
}

/** Says why nothing of a handler may be committed any more, once there is a reason. */
export interface Guard {
  forbidden(): 'timed out' | 'lost' | undefined
}

/** @throws Forbidden once nothing of the handler may be committed any more */
export function forbid(guard: Guard): void {
  const why = guard.forbidden()
  if (why) throw new Forbidden(why)
}
