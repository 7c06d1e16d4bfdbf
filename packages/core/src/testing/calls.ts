import { CorebusError } from '../errors.ts'
import { callSite } from '../process/call-site.ts'

interface Call {
  readonly name: string
  readonly where: string | undefined
}

/** The calls of an app that are not over: who reads what has happened while one is has forgotten to await it. */
export class Calls {
  readonly #open = new Set<Call>()

  async during<T>(name: string, work: () => Promise<T>): Promise<T> {
    const call = { name, where: callSite() }
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
    const where = call.where === undefined ? '' : ` at ${call.where}`
    throw new CorebusError(
      'TEST_NOT_AWAITED',
      `app.${call.name}()${where} is not over, and app.${reading}() asks what came of it: write await app.${call.name}(...)`,
    )
  }
}
