/** A row, a call or a message, field by field, each as text. */
export type Item = ReadonlyMap<string, string>

export function fieldsOf(value: unknown): Item {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return new Map([['', textOf(value)]])
  return new Map(Object.entries(value).flatMap(([field, one]) => (isData(one) ? [[field, textOf(one)]] : [])))
}

/** Functions and signals are no content. */
const isData = (value: unknown): boolean => value !== undefined && typeof value !== 'function' && !(value instanceof AbortSignal)

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  try {
    return (
      JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : isData(one) ? one : undefined)) ?? String(value)
    )
  } catch {
    // A value that goes round in a circle is no content that could be compared.
    return Object.prototype.toString.call(value)
  }
}

const MOST_CHARACTERS = 60

export function briefly(text: string | undefined): string {
  if (text === undefined) return 'nothing'
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}...` : text
}
