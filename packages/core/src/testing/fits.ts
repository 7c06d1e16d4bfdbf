/** A part of the data, or a question about it. */
export type Wanted<Data = unknown> = ((data: Data) => boolean) | Part<Data>

export type Part<T> = T extends readonly unknown[] ? T : T extends object ? { readonly [K in keyof T]?: Part<T[K]> } : T

/** Whether all that is wanted is in it, at the same place. */
export function fits(wanted: unknown, data: unknown): boolean {
  if (typeof wanted === 'function') return (wanted as (data: unknown) => boolean)(data)
  if (Object.is(wanted, data)) return true
  if (typeof wanted !== 'object' || wanted === null || typeof data !== 'object' || data === null) return false
  if (wanted instanceof Date) return data instanceof Date && wanted.getTime() === data.getTime()
  if (Array.isArray(wanted)) return Array.isArray(data) && data.length === wanted.length && wanted.every((one, i) => fits(one, data[i]))
  return Object.entries(wanted).every(([name, value]) => fits(value, (data as Record<string, unknown>)[name]))
}
