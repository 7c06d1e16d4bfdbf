import type { Order, Plan, Test, Value } from './query.ts'

type Filter = Readonly<Record<string, unknown>>

/** Translates a plan into what every server that speaks MongoDB's language knows: comparisons, `$in`, `$and`, `$or`. A missing field is null to all. */
export function filterOf({ any, order, behind, shown }: Plan): Filter {
  const parts = [
    { '_corebus.shown': { $gte: shown } },
    either(any.map((tests) => both(tests.map(testOf)))),
    ...(behind ? [behindOf(order, behind)] : []),
  ]
  return both(parts)
}

/** An empty text is less than all others, a number is no text. */
function testOf({ path, operator, operand }: Test): Filter {
  switch (operator) {
    case 'exists':
      return { [path]: operand === true ? { $ne: null } : { $eq: null } }
    case 'eq':
      return { [path]: { $eq: operand } }
    case 'in':
      return inOf(path, operand as readonly Value[]) // checked by planOf
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return { [path]: { [`$${operator}`]: operand } }
  }
}

function inOf(path: string, values: readonly Value[]): Filter {
  return values.length === 0 ? NONE : { $or: values.map((value) => ({ [path]: { $eq: value } })) }
}

/** No document is without an id. */
const NONE: Filter = { _id: { $eq: null } }
const ALL: Filter = {}

/** Behind a document that holds these: greater in the first place, or the same there and greater in the next. */
function behindOf(order: readonly Order[], values: readonly Value[]): Filter {
  return either(
    order.map((one, n) =>
      both([...order.slice(0, n).map(({ path }, i) => ({ [path]: { $eq: values[i] ?? null } })), past(one, values[n] ?? null)]),
    ),
  )
}

/** Null is less than all else. */
function past({ path, down }: Order, value: Value): Filter {
  if (value === null) return down ? NONE : { [path]: { $ne: null } }
  if (!down) return typeof value === 'boolean' ? afterBoolean(path, value) : { [path]: { $gt: value } }
  const less = typeof value === 'boolean' ? beforeBoolean(path, value) : { [path]: { $lt: value } }
  return path === '_id' ? less : { $or: [less, { [path]: { $eq: null } }] }
}

const afterBoolean = (path: string, value: boolean): Filter => (value ? NONE : { [path]: { $eq: true } })
const beforeBoolean = (path: string, value: boolean): Filter => (value ? { [path]: { $eq: false } } : NONE)

function both(parts: readonly Filter[]): Filter {
  const some = parts.filter((part) => Object.keys(part).length > 0)
  const [first, ...others] = some
  if (!first) return ALL
  return others.length === 0 ? first : { $and: some }
}

function either(parts: readonly Filter[]): Filter {
  if (parts.some((part) => Object.keys(part).length === 0)) return ALL
  return parts.length === 0 ? NONE : { $or: parts }
}
