import type { HandlerSpec } from '../handlers/handler.ts'
import type { Class } from '../process/registry.ts'
import { checkOrphans, classSpecs } from './consumer.ts'
import type { EventRecord } from './event.ts'
import { classRecordOf, recordsOfKind } from './record.ts'

/** Everything one instance handles. @throws CorebusError HANDLERS for a decorated method nobody would call. */
export function handlerSpecs(classes: readonly Class[], functions: readonly HandlerSpec[]): readonly HandlerSpec[] {
  checkOrphans()
  return [...classSpecs(classes), ...functions]
}

/** Whether a class runs without being named: all do that do not say `autoStart: false`. */
export function startsByItself(type: Class): boolean {
  const record = classRecordOf(type) as { readonly options?: { readonly autoStart?: boolean } } | undefined
  return record?.options?.autoStart ?? true
}

/** Every method under `@event` in this process. */
export function eventRecords(): readonly { where: string; record: EventRecord }[] {
  return recordsOfKind('event').map(({ where, options }) => ({ where, record: options as EventRecord }))
}
