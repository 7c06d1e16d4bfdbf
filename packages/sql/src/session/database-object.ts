import { CorebusError } from '@corebus/core'

/** @throws CorebusError TX_DIALECT where what was given has no such method, or is `another` object of the same library */
export function checkObject(
  name: string,
  given: unknown,
  { method, wanted, another = () => undefined }: { readonly method: string; readonly wanted: string; readonly another?: Another },
): void {
  const isSome = (typeof given === 'object' && given !== null) || typeof given === 'function'
  if (!isSome || typeof Reflect.get(given, method) !== 'function')
    throw new CorebusError('TX_DIALECT', `${name} wants ${wanted}, not ${given === undefined ? 'undefined' : 'something else'}`)
  const found = another(given)
  if (found !== undefined) throw new CorebusError('TX_DIALECT', `${name} wants ${wanted}, not ${found}`)
}

/** Says what was given, where it is not what is wanted. */
type Another = (given: object) => string | undefined
