import { CorebusError } from '../../errors.ts'
import { asDatabase } from './handed-out.ts'
import { currentRun } from './run.ts'

type Method = (...args: unknown[]) => unknown

/** The methods that something else stands in the place of for a while. */
export class Replaced {
  readonly #restore: (() => void)[] = []

  /** @throws CorebusError OPTION where the object does not let itself be changed */
  method(object: object, name: string, make: (original: Method) => Method): void {
    const own = Object.getOwnPropertyDescriptor(object, name)
    const original = Reflect.get(object, name) as Method
    const value = make(original)
    const isDone = Reflect.defineProperty(object, name, { value, configurable: true, writable: true, enumerable: own?.enumerable ?? false })
    if (!isDone)
      throw new CorebusError(
        'OPTION',
        `survives: ${name} of an object of outside cannot be replaced for the time of the test. A module that is imported as * is such an object, and so is a frozen one: name an object whose methods may be changed`,
      )
    this.#restore.push(() => {
      if (own) Object.defineProperty(object, name, own)
      else Reflect.deleteProperty(object, name)
    })
  }

  restore(): void {
    for (const restore of this.#restore.splice(0).reverse()) restore()
  }
}

/**
 * Tells the run of each call of the objects' methods. Of a class all its instances are meant. A database is not counted by its calls but by its rows.
 * @throws CorebusError OPTION for what has no methods
 */
export function watchOutside(outside: Readonly<Record<string, object>>, replaced: Replaced): void {
  for (const [name, given] of Object.entries(outside)) {
    const object = isClass(given) ? given.prototype : given
    const methods = isObject(object) ? methodsOf(object) : []
    if (methods.length === 0)
      throw new CorebusError(
        'OPTION',
        `survives: outside.${name} must be an object with methods, or a class, not ${typeof given === 'function' ? 'a function: put it into an object that the handler calls it by' : typeof given}`,
      )
    const isDatabase = asDatabase(object) !== undefined
    for (const method of methods)
      replaced.method(object, method, (original) =>
        isDatabase ? ofDatabase(name, method, original) : called(`${name}.${method}`, original),
      )
  }
}

function called(name: string, original: Method): Method {
  return function (this: unknown, ...args) {
    const run = currentRun()
    const perform = (): unknown => original.apply(this, args)
    return run ? run.call(name, perform, () => run.told.call(name, args)) : perform()
  }
}

/** A module's own connection: its statements are calls, as those of a session are. */
function ofDatabase(name: string, method: string, original: Method): Method {
  return function (this: object, ...args) {
    const database = currentRun() && asDatabase(this, { name, original: (one) => (one === method ? original : undefined) })
    return database ? (Reflect.get(database, method) as Method)(...args) : original.apply(this, args)
  }
}

/** Its own and those of its classes. */
function methodsOf(object: object): readonly string[] {
  const names = new Set<string>()
  for (let at: object | null = object; at && at !== Object.prototype && at !== Function.prototype; at = Object.getPrototypeOf(at))
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (name !== 'constructor' && typeof value === 'function') names.add(name)
  return [...names]
}

const isObject = (given: unknown): given is object => typeof given === 'object' && given !== null
const isClass = (given: unknown): given is { readonly prototype: object } =>
  typeof given === 'function' && isObject(given.prototype) && methodsOf(given.prototype).length > 0
