import type { LoadedChange } from '../chaos/mutation.ts'
import type { Said } from '../protocol.ts'
import type { Room } from '../room.ts'
import { quiet, until } from '../wait.ts'
import { FUZZED, handleOdd } from './odd.ts'

/** The consumer of a fuzz, wherever it runs. */
export interface FuzzService {
  readonly health: () => Promise<FuzzHealth>
  /** After garbage collection, where it is a process of its own. */
  readonly heapBytes?: () => Promise<number>
  /** kill -9, where it is a process of its own: so many turns of its event loop after its handler has thrown next, or soon. */
  readonly kill?: (turns: number) => Promise<void>
  readonly close: () => Promise<void>
  /** However it is. */
  readonly end: () => Promise<void>
  /** How it ended by itself. */
  readonly ended: () => string | undefined
}

export interface FuzzHealth {
  readonly isWell: boolean
  readonly unsettled: number
  readonly reasons: readonly string[]
}

export interface ServiceOptions {
  readonly topic: string
  /** Its handler succeeds with everything. */
  readonly mended: boolean
  readonly changes: readonly LoadedChange[]
  readonly onHandled: (n: number) => void
}

/** Where nothing throws any more there is nothing to wait for. */
const KILLED_WITHIN_MS = 1_000

/** A process of its own where the broker outlives it, so that it can be killed, measured and changed. */
export function startService(room: Room, options: ServiceOptions): Promise<FuzzService> {
  return room.target.capabilities.durable ? asProcess(room, options) : here(room, options)
}

async function here(room: Room, { topic, mended, onHandled }: ServiceOptions): Promise<FuzzService> {
  const messaging = room.messaging(FUZZED)
  messaging.handle({ topic, group: 'g', decode: 'bytes' }, (body: Uint8Array, { attempt }) =>
    onHandled(handleOdd(body, { attempt, mended })),
  )
  await messaging.start()
  return {
    async health() {
      const { live, ready, reasons, groups } = messaging.health()
      return { isWell: live && ready, reasons, unsettled: groups[0]?.unsettled ?? 0 }
    },
    close: () => messaging.close(),
    end: () => messaging.close(),
    ended: () => undefined,
  }
}

async function asProcess(room: Room, { topic, mended, changes, onHandled }: ServiceOptions): Promise<FuzzService> {
  const child = room.child('hostile', { topic, mended }, changes)
  let code: number | null | undefined
  let leaving = false
  void child.exited.then((with_) => {
    code = with_
  })
  /** Read once, as it comes: it says something for every message. */
  let read = 0
  let health: FuzzHealth | undefined
  let heap: number | undefined
  const listen = () => {
    for (; read < child.said.length; read++) {
      const said = child.said[read] as Said
      if (said.kind === 'handled') onHandled(said.n)
      else if (said.kind === 'health') health = said
      else if (said.kind === 'heap') heap = said.bytes
    }
  }
  const saw = () => [child.trouble(), child.said.filter(({ kind }) => kind !== 'handled').slice(-3)]
  const heard = (what: () => unknown) => {
    listen()
    return what() !== undefined || code !== undefined
  }
  await until(() => child.heard('ready').length > 0 || code !== undefined, saw)
  for (const { find } of changes)
    if (!child.heard('mutated').some((one) => one.find === find)) throw new Error(`"${find}" was never loaded: it changes nothing`)
  return {
    async health() {
      health = undefined
      child.tell({ do: 'tellHealth' })
      await until(() => heard(() => health), saw)
      return health ?? { isWell: false, unsettled: 0, reasons: [child.trouble()] }
    },
    async heapBytes() {
      heap = undefined
      child.tell({ do: 'tellHeap' })
      await until(() => heard(() => heap), saw)
      return heap ?? 0
    },
    async kill(turns) {
      leaving = true
      child.tell({ do: 'die', when: 'threw', turns })
      await Promise.race([child.exited, quiet(KILLED_WITHIN_MS)])
      await child.kill()
      listen()
    },
    async close() {
      leaving = true
      child.tell({ do: 'close' })
      await until(() => code !== undefined, saw)
      listen()
    },
    async end() {
      leaving = true
      await child.kill()
    },
    ended: () => (code !== undefined && !leaving ? `with ${code}: ${child.trouble()}` : undefined),
  }
}
