import type { Admin, DeadLetter, DeadLetterFilter } from '../driver.ts'

/** Read at once: never all of a million letters, with their bodies. */
const PAGE = 500

export interface EachPageOptions {
  /** The `next` of a page. */
  readonly after?: string | undefined
}

/**
 * All letters that fit, a page at a time, until `work` resolves with false. They come oldest first; where a broker has more than one page and would read
 * it from its head for each of them, in no order.
 */
export async function eachPage(
  admin: Admin,
  filter: DeadLetterFilter,
  work: (letters: readonly DeadLetter[]) => Promise<boolean>,
  { after }: EachPageOptions = {},
): Promise<void> {
  for (let from = after; ; ) {
    const { letters, next } = await admin.deadLetters(filter, { limit: PAGE, ...(from !== undefined && { after: from }) })
    if (from === undefined && next !== undefined && admin.walkDeadLetters) return admin.walkDeadLetters(filter, work)
    if (letters.length > 0 && !(await work(letters))) return
    if (next === undefined) return
    from = next
  }
}
