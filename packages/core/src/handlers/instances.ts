import type { MessagingOptions } from '../config/messaging-options.ts'
import { CorebusError } from '../errors.ts'
import { inFrameAsLoaded } from '../process/frame.ts'
import type { Resolve } from './handler.ts'

/** One instance per class: made by the user's `resolve`, else by `new`. */
export function singletons(resolve: MessagingOptions['resolve']): Resolve {
  const made = new Map<unknown, unknown>()
  return <T extends object>(type: new (...args: never[]) => T): T | Promise<T> => {
    if (!made.has(type)) made.set(type, resolve ? inFrameAsLoaded(resolve, type as new () => T) : construct(type))
    return made.get(type) as T | Promise<T>
  }
}

function construct<T extends object>(type: new (...args: never[]) => T): T {
  if (type.length > 0)
    throw new CorebusError(
      'RESOLVE',
      `${type.name} has a constructor with arguments: give configureMessaging a resolve, such as resolve: (Class) => container.get(Class)`,
    )
  return new (type as new () => T)()
}
