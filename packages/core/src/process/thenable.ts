/** What `await` would wait for: a promise, and whatever else has a `then`, like the queries of a builder. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') && 'then' in value && typeof value.then === 'function'
  )
}
