import type { ColumnKind } from './columns.ts'

/**
 * A value as one text, whichever database it comes from: `3500.00`, `3500` and the number 3500 are one decimal. `kind` is the master's; what a serialiser
 * has made has none.
 */
export function canonical(value: unknown, kind: ColumnKind | undefined): string {
  if (value === null || value === undefined) return '-'
  switch (kind) {
    case 'boolean':
      // MySQL's booleans are small integers, and 7 is neither 0 nor 1.
      return value === 'true' ? '1' : value === 'false' ? '0' : decimal(value)
    case 'integer':
    case 'decimal':
      return decimal(value)
    case 'number':
      return String(Number(value))
    case 'time':
    case 'localtime':
      return String(value)
        .replace(' ', 'T')
        .replace(/(\.\d*?)0*(Z?)$/, '$1$2')
        .replace(/\.(Z?)$/, '$1')
    case 'json':
      return stable(value)
    case undefined:
      return typeof value === 'boolean' ? String(Number(value)) : typeof value === 'object' ? stable(value) : decimal(value)
    case 'uuid':
      return String(value).toLowerCase()
    case 'text':
    case 'date':
    case 'bytes':
      return typeof value === 'object' ? stable(value) : String(value)
  }
}

/** A number without the zeros that say nothing; any other text as it is. */
function decimal(value: unknown): string {
  const text = typeof value === 'boolean' ? String(Number(value)) : String(value)
  const [, sign = '', whole = '', places = ''] = /^(-?)0*(\d+)(?:\.(\d*?)0*)?$/.exec(text) ?? []
  if (whole === '') return text
  const number = places === '' ? whole : `${whole}.${places}`
  return number === '0' ? '0' : `${sign}${number}`
}

/** JSON whose keys are in order. */
function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  return `{${Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => `${JSON.stringify(name)}:${stable(one)}`)
    .join(',')}}`
}
