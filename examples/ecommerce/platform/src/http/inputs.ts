import { centsOf } from '@ecommerce/contracts'
import { z } from '@hono/zod-openapi'

const LARGEST_PAGE = 100
const DIGITS = /^[1-9]\d{0,15}$/

/** An id in a path or a query: digits, and no larger than a number can say. */
const id = z.string().regex(DIGITS).transform(Number).pipe(z.int()).openapi({ type: 'integer', minimum: 1, example: 1 })

export const IdPath = z.object({ id })
export const IdQuery = id

/** `?limit=20&after=7`: those behind id 7. */
export const PageQuery = z.strictObject({
  limit: z
    .string()
    .regex(DIGITS)
    .transform(Number)
    .pipe(z.int().max(LARGEST_PAGE))
    .default(20)
    .openapi({ type: 'integer', minimum: 1, maximum: LARGEST_PAGE, example: 20 }),
  after: id.optional(),
})

/** `next` is the `after` of the next page; null at the end. */
export const pageOf = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item), next: z.int().nullable() })

/** Cuts what was read, one row more than asked for, to the page. */
export function page<Row extends { readonly id: number }>(rows: readonly Row[], limit: number): { items: Row[]; next: number | null } {
  const items = rows.slice(0, limit)
  return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}

/** A text of people: not empty, at most `most` signs, none of which a database cannot keep. */
export const text = (most: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'has signs that cannot be kept')

const LARGEST_PRICE = 9_999_999.99

/** A price with two decimals at most: 59.9 is 5990 cents. */
export const Price = z
  .number()
  .min(0)
  .max(LARGEST_PRICE)
  .refine((price) => centsOf(price) / 100 === price, 'has more than two decimals')
  .openapi({ example: 59.9 })

export const Quantity = z.int().min(1).max(10_000).openapi({ example: 2 })
export const Stock = z.int().min(0).max(1_000_000_000).openapi({ example: 100 })
