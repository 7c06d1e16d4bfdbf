import type { Admin, DeadLetterFilter, DeadLetterPage, DeadLetterPaging } from '../driver.ts'

type Pages = (filter: DeadLetterFilter, paging: DeadLetterPaging) => DeadLetterPage | Promise<DeadLetterPage>

/**
 * What a limit means on every broker: of none or fewer than none, or of what is no number, no letter comes and no cursor, since that stands behind a
 * letter. A part of a letter is one, and infinity is no limit.
 */
export function withLimits(pages: Pages): Admin['deadLetters'] {
  return async (filter, { limit, ...paging } = {}) => {
    if (limit === undefined || limit === Number.POSITIVE_INFINITY) return pages(filter, paging)
    return limit > 0 ? pages(filter, { ...paging, limit: Math.ceil(limit) }) : { letters: [] }
  }
}
