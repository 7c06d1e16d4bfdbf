import { CorebusError } from '../errors.ts'
import { packageRoot, packageVersion } from './version.ts'
import 'reflect-metadata'

/** A class, whatever its constructor takes. */
export type Class = abstract new (...args: never[]) => object

/** One per process, shared by every copy of the SDK of the same version: decorators of one copy are seen by the runtime of another. */
export interface Registry {
  readonly version: string
  readonly path: string
  /** Classes under a class decorator, with its options. */
  readonly classes: Map<Class, unknown>
  /** Handlers registered by the exported functions, for the default instance. */
  readonly functions: unknown[]
  /** Where methods were recorded: a prototype (legacy) or a metadata object (standard). Its class may never have been decorated. */
  readonly holders: Set<object>
  /** Classes that another instance lists as its handlers. */
  readonly elsewhere: Set<Class>
  /** What nothing has started yet. */
  readonly waiting: Map<object, unknown>
  /** Ends the watch over them. */
  endWatch?: (() => void) | undefined
  /** What was recorded by the decorators that are being applied now, to one class or to a member of it: one copy follows what becomes of it, for all. */
  underDecoration?: Class[] | undefined
  /** The default instance runs: what is registered now would never be called. */
  started?: boolean
  scopes?: unknown
  /** By the option of the companion that it is for: see wanted.ts. */
  wanted?: unknown
  /** The options of `wanted` of which a companion runs what is registered. */
  taken?: Set<string> | undefined
  messaging?: unknown
  /** Stands in for the instances of this process: see `@corebus/core/testing`. */
  testKit?: unknown
  /** The clock of the app under test that was opened last, while it is open. */
  testClock?: { now(): number } | undefined
  /** Instances that a test looks at on their real broker. */
  observed?: WeakSet<object>
}

const REGISTRY = Symbol.for('corebus.registry')

export const registry: Registry = shared()

function shared(): Registry {
  const holder = globalThis as { [REGISTRY]?: Registry }
  const existing = holder[REGISTRY]
  if (existing && existing.version !== packageVersion)
    throw new CorebusError(
      'TWO_VERSIONS',
      `two versions of @corebus/core are loaded: ${existing.version} from ${existing.path} and ${packageVersion} from ${packageRoot}. Make them one: npm ls @corebus/core`,
    )
  holder[REGISTRY] ??= {
    version: packageVersion,
    path: packageRoot,
    classes: new Map(),
    functions: [],
    holders: new Set(),
    elsewhere: new Set(),
    waiting: new Map(),
  }
  return holder[REGISTRY]
}
