/** Thrown inside the session, so that it rolls back. */
export class Forbidden extends Error {
  readonly why: 'timed out' | 'lost'
  constructor(why: 'timed out' | 'lost') {
    super(why === 'lost' ? 'the message was taken from us while it was handled' : 'the handler took longer than handlerTimeoutMs')
    this.why = why
  }
}

/** @throws Forbidden once nothing of the call may be committed any more */
export function forbid(call: { forbidden(): 'timed out' | 'lost' | undefined }): void {
  const why = call.forbidden()
  if (why) throw new Forbidden(why)
}
