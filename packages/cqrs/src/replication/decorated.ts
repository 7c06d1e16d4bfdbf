import { type Class, CorebusError } from '@corebus/core'

/** A definition that is put on a class as a decorator, of either kind, so that the class stands for it. */
export type OnClass = (target: Class, context?: unknown) => void

/** A symbol that copies of this package share. */
const DEFINED = Symbol.for('corebus.cqrs.defined')

/** The definition, which is a decorator as well. It records itself on the class, and does nothing else. */
export function onClasses<Definition extends object>(definition: Definition, what: string): Definition & OnClass {
  const decorate = (target: Class): void => {
    if (Object.hasOwn(target, DEFINED))
      throw new CorebusError(
        'REPLICATION',
        `class ${target.name} is a master or a replica already, and ${what} is on it too: give each a class of its own`,
      )
    Object.defineProperty(target, DEFINED, { value: both })
  }
  const both: Definition & OnClass = Object.defineProperties(decorate, Object.getOwnPropertyDescriptors(definition)) as never // it has all of both now
  return both
}

/** The definition on a class, or what was given. */
export function definitionOf<Definition>(given: Definition | Class): Definition {
  const on = typeof given === 'function' && Object.hasOwn(given, DEFINED) ? Reflect.get(given, DEFINED) : given
  return on as Definition // what is none is refused by whoever asks
}
