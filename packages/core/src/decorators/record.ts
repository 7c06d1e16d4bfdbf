import { CorebusError } from '../errors.ts'
import { awaitsInPlaceOf, awaitsStart } from '../handlers/unstarted.ts'
import { callSite } from '../process/call-site.ts'
import { type Class, registry } from '../process/registry.ts'
import 'reflect-metadata'

/** What a method decorator left behind. `kind` says which decorator, `options` are its own. */
export interface MethodRecord {
  /** Its name, for messages to people: of a symbol `Symbol(handle)`. */
  readonly method: string
  /** What it is called by. */
  readonly key: string | symbol
  readonly kind: string
  readonly options: unknown
  /** The line of the decorator, as far as the compiler keeps it. */
  readonly at?: string | undefined
}

type MethodRecords = Record<string | symbol, readonly MethodRecord[]>

const METHODS = Symbol.for('corebus.methods')

// Without it standard decorators get no metadata object. It must be there before the user's first class is evaluated.
const symbols = Symbol as { metadata?: symbol }
symbols.metadata ??= Symbol.for('Symbol.metadata')
const METADATA = symbols.metadata

/** What a decorator is called with, in either mode: (value, context) or (target, key, descriptor). */
export type Decorated = readonly [value: unknown, contextOrKey: unknown, descriptor?: unknown]

function isContext(x: unknown): x is DecoratorContext {
  return typeof x === 'object' && x !== null && 'kind' in x && 'name' in x
}

/** Records a method under its name, in the class's metadata and never on the function: another decorator may replace that. */
export function recordMethod([target, contextOrKey, descriptor]: Decorated, kind: string, options: unknown): void {
  if (isContext(contextOrKey)) {
    const { name = '', metadata } = contextOrKey
    const { private: isPrivate, static: isStatic } = contextOrKey as ClassMethodDecoratorContext
    if (contextOrKey.kind !== 'method' || isPrivate || isStatic) throw notAMethod(kind, `${isStatic ? 'static ' : ''}${String(name)}`)
    const own = Object.hasOwn(metadata, METHODS)
    const records = (metadata[METHODS] ?? null) as MethodRecords
    metadata[METHODS] = own ? records : Object.create(records)
    add(metadata[METHODS] as MethodRecords, { method: String(name), key: name, kind, options, at: callSite() })
    registry.holders.add(metadata)
    return
  }
  // A static method's target is the class itself, a field has no descriptor, an accessor's has no value.
  if (typeof target !== 'object' || target === null || typeof (descriptor as PropertyDescriptor | undefined)?.value !== 'function')
    throw notAMethod(kind, typeof target === 'function' ? `static ${target.name}.${String(contextOrKey)}` : String(contextOrKey))
  const key = contextOrKey as string | symbol
  const own = (Reflect.getOwnMetadata(METHODS, target) ?? []) as (string | symbol)[]
  if (!own.includes(key)) Reflect.defineMetadata(METHODS, [...own, key], target)
  const records = (Reflect.getOwnMetadata(METHODS, target, key) ?? []) as readonly MethodRecord[]
  Reflect.defineMetadata(METHODS, [...records, { method: String(key), key, kind, options, at: callSite() }], target, key)
  registry.holders.add(target)
}

function add(records: MethodRecords, record: MethodRecord): void {
  const own = Object.hasOwn(records, record.key) ? (records[record.key] ?? []) : []
  records[record.key] = [...own, record]
}

function notAMethod(kind: string, name: string): CorebusError {
  const at = callSite()
  return new CorebusError(
    'DECORATOR',
    `@${kind} on ${name}${at === undefined ? '' : ` (${at})`}: it decorates public instance methods only`,
  )
}

/** A handler of the default instance. @throws CorebusError STARTED when that runs already. */
export function recordFunction(spec: { readonly where: string; readonly autoStart: boolean }): void {
  if (registry.started) {
    const again = registry.functions.some((one) => (one as typeof spec).where === spec.where)
    const why = again ? '. It was registered before, and runs: its module was evaluated again, and what that changed does not run' : ''
    throw new CorebusError('STARTED', `${spec.where} was registered after start: register every handler before${why}`)
  }
  registry.functions.push(spec)
  if (spec.autoStart) awaitsStart(spec, { owner: registry, where: spec.where, logger: undefined })
}

/** Records a class under a class decorator, or what decorators above ours put in its place: that is what its name means, to a container too. */
export function recordClass(
  type: Class,
  options: { readonly name: string },
  { autoStart, context }: { readonly autoStart: boolean; readonly context: ClassDecoratorContext | undefined },
): void {
  registry.classes.set(type, options)
  if (autoStart) awaitsStart(type, { owner: registry, where: `@consumer ${options.name}`, logger: undefined })
  registry.underDecoration?.push(type)
  context?.addInitializer?.(function (this: unknown) {
    replaceClass(type, this)
  })
}

function replaceClass(type: unknown, by: unknown): void {
  if (by === type || typeof by !== 'function' || !registry.classes.has(type as Class)) return
  registry.classes.set(by as unknown as Class, registry.classes.get(type as Class))
  registry.classes.delete(type as Class)
  awaitsInPlaceOf(type as Class, by)
}

const DECORATE = Symbol.for('corebus.decorate')
const reflect = Reflect as { decorate?: ((decorators: unknown, target: unknown, ...rest: unknown[]) => unknown) & { [DECORATE]?: true } }

/**
 * Experimental decorators have no initializers. TypeScript and SWC apply them with `Reflect.decorate` where it exists, and reflect-metadata, which
 * is loaded, has made it: it alone knows what has become of the class. (esbuild does not use it: there ours must stand on top.)
 */
function followReplacements(): void {
  const { decorate } = reflect
  if (!decorate || decorate[DECORATE]) return
  const following = (decorators: unknown, target: unknown, ...rest: unknown[]): unknown => {
    const outer = registry.underDecoration
    const own: Class[] = []
    registry.underDecoration = own
    try {
      const result = decorate(decorators, target, ...rest)
      for (const type of own) replaceClass(type, result)
      return result
    } finally {
      registry.underDecoration = outer
    }
  }
  reflect.decorate = Object.assign(following, { [DECORATE]: true as const })
}
followReplacements()

/** What was recorded of a class. One that another decorator put in its place extends it. */
export function classRecordOf(type: Class): unknown {
  for (let one: unknown = type; typeof one === 'function'; one = Object.getPrototypeOf(one))
    if (registry.classes.has(one as unknown as Class)) return registry.classes.get(one as unknown as Class)
  return undefined
}

/** The records of one kind of decorator on a class and its ancestors; a method decorated again replaces the ancestor's records of it. */
export function methodsOf(type: Class, kind: string): readonly MethodRecord[] {
  const found = new Map<string | symbol, readonly MethodRecord[]>()
  const metadata = (type as unknown as Record<symbol, Record<symbol, MethodRecords> | undefined>)[METADATA]
  for (let records = metadata?.[METHODS] ?? null; records; records = Object.getPrototypeOf(records) as MethodRecords | null)
    for (const key of Reflect.ownKeys(records)) if (!found.has(key)) found.set(key, records[key] ?? [])
  for (let proto: object | null = type.prototype; proto && proto !== Object.prototype; proto = Object.getPrototypeOf(proto))
    for (const key of (Reflect.getOwnMetadata(METHODS, proto) ?? []) as (string | symbol)[])
      if (!found.has(key)) found.set(key, Reflect.getOwnMetadata(METHODS, proto, key) as readonly MethodRecord[])
  return [...found.values()].flat().filter((record) => record.kind === kind)
}

/** Methods under a decorator of these kinds whose class, and every descendant of it, was never registered. */
export function orphans(kinds: readonly string[]): readonly string[] {
  const homes = new Set<object>()
  for (const type of registry.classes.keys()) {
    for (let proto: object | null = type.prototype; proto; proto = Object.getPrototypeOf(proto)) homes.add(proto)
    let metadata = (type as unknown as Record<symbol, object | null | undefined>)[METADATA] ?? null
    for (; metadata; metadata = Object.getPrototypeOf(metadata)) homes.add(metadata)
  }
  return [...registry.holders].filter((holder) => !homes.has(holder)).flatMap((holder) => named(holder, kinds))
}

function named(holder: object, kinds: readonly string[]): readonly string[] {
  return recordsOf(holder)
    .filter(({ record }) => kinds.includes(record.kind))
    .map(({ where, record }) => `@${record.kind} ${where}${record.at === undefined ? '' : ` (${record.at})`}`)
}

function recordsOf(holder: object): readonly { where: string; record: MethodRecord }[] {
  const standard = (holder as Record<symbol, MethodRecords | undefined>)[METHODS]
  const legacy = (): readonly MethodRecord[] =>
    ((Reflect.getOwnMetadata(METHODS, holder) ?? []) as (string | symbol)[]).flatMap(
      (key) => Reflect.getOwnMetadata(METHODS, holder, key) as readonly MethodRecord[],
    )
  const records = standard ? Reflect.ownKeys(standard).flatMap((key) => standard[key] ?? []) : legacy()
  // A metadata object does not know its class.
  const owner = standard ? '' : `${holder.constructor.name}.`
  return records.map((record) => ({ where: `${owner}${record.method}`, record }))
}

/** Every method in the process under one kind of decorator. */
export function recordsOfKind(kind: string): readonly { where: string; options: unknown }[] {
  return [...registry.holders]
    .flatMap(recordsOf)
    .filter(({ record }) => record.kind === kind)
    .map(({ where, record }) => ({ where, options: record.options }))
}
