/** Why a command was not carried out. The routes know which status it is. */
export type RefusalCode = 'not_found' | 'unknown_user' | 'email_taken' | 'already_paid' | 'already_canceled' | 'not_reserved'

/** The error for what a rule of the domain does not allow. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: RefusalCode
  /** The field of the request that is wrong, where it is one. */
  readonly path: readonly string[] | undefined

  constructor(code: RefusalCode, message: string, { path }: { path?: readonly string[] } = {}) {
    super(message)
    this.code = code
    this.path = path
  }
}
