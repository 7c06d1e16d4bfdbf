import { CorebusError } from '../errors.ts'
import { callSite } from '../process/call-site.ts'

interface Call {
  readonly name: string
  /** Made when it began, for its line. */
  readonly called: Error
}

/** The calls of an app that are not over: who reads what has happened while one is has forgotten to await it. */
export class Calls {
  readonly #open = new Set<Call>()

  async during<T>(name: string, work: () => Promise<T>): Promise<T> {
    const call = { name, called: new Error() }
    this.#open.add(call)
    try {
      return await work()
    } finally {
      this.#open.delete(call)
    }
  }

  /** @throws CorebusError TEST_NOT_AWAITED */
  check(reading: string): void {
    const [call] = this.#open
    if (!call) return
    const site = callSite(call.called)
    const where = site === undefined ? '' : ` at ${site}`
    throw new CorebusError(
      'TEST_NOT_AWAITED',
      `app.${call.name}()${where} is not over, and app.${reading}() asks what came of it: write await app.${call.name}(...)`,
    )
  }
}
