import { checkOrphans, classSpecs, type OnEventOptions } from './decorators/consumer.ts'
import type { EventRecord } from './decorators/event.ts'
import { checkOptions, type FunctionOptions, pickGroupOptions, pickRetryOptions, placeOf } from './decorators/message-handler.ts'
import { type Class, recordsOfKind } from './decorators/record.ts'
import { CorebusError } from './errors.ts'
import type { EventType } from './event-type.ts'
import type { HandlerFunction, HandlerSpec } from './handler.ts'

/** `messaging.on(...)` as a registration. */
export function eventSpec(type: EventType | string, options: OnEventOptions & FunctionOptions, handler: unknown): HandlerSpec {
  const name = typeof type === 'string' ? type : type.name
  if (typeof handler !== 'function') throw new CorebusError('HANDLERS', `on(${name}) needs a function as its third argument`)
  const where = placeOf(handler as HandlerFunction, `on(${name})`)
  checkOptions(where, options, 'topic', 'group', 'autoStart')
  return {
    where,
    group: options.group,
    on: {
      kind: 'event',
      name,
      type: typeof type === 'string' ? undefined : type,
      topics: typeof options.topic === 'string' ? [options.topic] : options.topic,
    },
    classTopics: undefined,
    retry: [pickRetryOptions(options)],
    groupOptions: pickGroupOptions(options),
    autoStart: options.autoStart ?? true,
    bind: () => handler as HandlerFunction,
  }
}

/** Everything one instance handles. @throws CorebusError HANDLERS for a decorated method nobody would call. */
export function handlerSpecs(classes: readonly Class[], functions: readonly HandlerSpec[]): readonly HandlerSpec[] {
  checkOrphans()
  return [...classSpecs(classes), ...functions]
}

/** Every method under `@event` in this process. */
export function eventRecords(): readonly { where: string; record: EventRecord }[] {
  return recordsOfKind('event').map(({ where, options }) => ({ where, record: options as EventRecord }))
}
