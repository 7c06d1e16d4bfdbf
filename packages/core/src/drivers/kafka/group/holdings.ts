import { type Clock, sleep } from '../../../clock.ts'
import { backOff } from '../../back-off.ts'
import { failureOf, isUnknownTopic } from '../failure.ts'
import type { Names } from '../names.ts'
import type { Client } from '../protocol/client.ts'
import type { Topology } from '../topology.ts'
import type { Partitions, Share } from './assigner.ts'
import type { Commits } from './commits.ts'
import type { Fetcher } from './fetcher.ts'
import type { Line } from './line.ts'
import { loadLines, lostBy } from './positions.ts'
import type { Reader } from './reader.ts'

export interface HoldingsOptions {
  /** Those that it reads, by their names on the broker. */
  readonly topics: ReadonlyMap<string, string>
  readonly group: string
  readonly from: 'earliest' | 'latest'
  readonly names: Names
  /** Not the one that joins. */
  readonly client: Client
  readonly clock: Clock
  readonly reader: Reader
  readonly commits: Commits
  /** Woken when something was taken or given up. */
  readonly fetcher: Pick<Fetcher<Line>, 'wake'>
  /** Makes a topic that is not there. */
  readonly topology: Pick<Topology, 'make' | 'keepsNothing'>
  /** Something is lost to the group. */
  readonly onNotice: (notice: Error) => void
  /** What another member waits for has been given up. */
  readonly onReleased: () => void
  readonly closing: AbortSignal
}

/** One partition of a topic and what belongs with it: what comes back to the group from it. */
interface Holding {
  readonly topic: string
  readonly partition: number
  lines: readonly Line[]
  ready: boolean
  /** No broker leads it now: nothing of it is here, and nothing is on its way. */
  leaderless: boolean
  leaving: boolean
}

/** The partitions of one member: taken when the group gives them, given up when nothing of them is out. */
export class Holdings {
  readonly #options: HoldingsOptions
  readonly #held = new Map<string, Holding>()
  readonly #of: ReadonlyMap<string, string>
  #releasing = false

  constructor(options: HoldingsOptions) {
    this.#options = options
    this.#of = options.topics
  }

  get isEmpty(): boolean {
    return this.#held.size === 0
  }

  get isReady(): boolean {
    return [...this.#held.values()].every(({ ready }) => ready)
  }

  /** All that can be read now. */
  get isPartlyReady(): boolean {
    return this.isEmpty || [...this.#held.values()].some(({ ready }) => ready)
  }

  /** By topic, those with the most to do first. */
  owned(): Partitions {
    const out = ({ lines }: Holding) => lines.reduce((sum, line) => sum + line.out, 0)
    const busiest = [...this.#held.values()].sort((a, b) => out(b) - out(a))
    const owned: Record<string, number[]> = {}
    for (const { topic, partition } of busiest) {
      const of = owned[topic]
      if (of) of.push(partition)
      else owned[topic] = [partition]
    }
    return owned
  }

  take({ partitions }: Share): void {
    const keys = new Set<string>()
    for (const [topic, of] of Object.entries(partitions)) {
      const fresh: Holding[] = []
      for (const partition of of) {
        const key = `${topic}\0${partition}`
        keys.add(key)
        const holding = this.#held.get(key)
        if (holding) {
          this.#leave(holding, false)
          continue
        }
        const made: Holding = { topic, partition, lines: [], ready: false, leaderless: false, leaving: false }
        this.#held.set(key, made)
        fresh.push(made)
      }
      if (fresh.length > 0) void this.#load(topic, fresh) // never rejects
    }
    for (const [key, holding] of this.#held) if (!keys.has(key)) this.#leave(holding, true)
    this.#changed()
    this.release()
  }

  #leave(holding: Holding, leaving: boolean): void {
    holding.leaving = leaving
    for (const line of holding.lines) line.leaving = leaving
  }

  async #load(topic: string, holdings: readonly Holding[]): Promise<void> {
    const { group, from, names, client, clock, reader, commits, topology, closing, onNotice } = this.#options
    const of = this.#of.get(topic)
    const waitMs = backOff({ maxMs: 1_000 })
    let left = holdings
    for (let n = 1; !closing.aborted; n++) {
      left = left.filter((one) => this.#has(one))
      if (left.length === 0) return
      for (const holding of left) holding.leaderless = false
      const base = { client, group: names.group(group), partitions: left.map(({ partition }) => partition) }
      try {
        const loaded =
          of === undefined
            ? [await loadLines({ ...base, of: topic, topic, kind: 'delay', from: 'earliest' })]
            : await Promise.all([
                loadLines({ ...base, of, topic, kind: 'topic', from }),
                ...this.#againOf(of).map((again) => loadLines({ ...base, of, topic: again, kind: 'again', from: 'earliest' })),
              ])
        // Without a broker that leads it, nobody knows where it is to go on; the others do not wait for it.
        const leads = ({ partition }: Holding) => !loaded.some(({ leaderless }) => leaderless.has(partition))
        const linesOf = ({ partition }: Holding) => loaded.flatMap(({ lines }) => lines.find((line) => line.partition === partition) ?? [])
        const found = left.filter(leads)
        left = left.filter((holding) => !leads(holding))
        for (const holding of left) holding.leaderless = true
        const lines = new Map(found.map((holding) => [holding, linesOf(holding)]))
        await commits.store([...lines.values()].flat())
        const taken = new Set(found.map(({ partition }) => partition))
        for (const passed of loaded.flatMap((one) => one.passed)) {
          const notice = taken.has(passed.partition) ? lostBy(passed, group) : undefined
          if (notice) onNotice(notice)
        }
        for (const [holding, ofHolding] of lines) {
          holding.ready = true
          if (!this.#has(holding)) continue
          holding.lines = ofHolding
          this.#leave(holding, holding.leaving)
          for (const line of ofHolding) reader.add(line)
        }
        if (found.length > 0) this.#changed()
        this.release()
        if (left.length > 0) await sleep(clock, waitMs(n), closing)
      } catch (thrown) {
        const failure = failureOf(thrown)
        if (isUnknownTopic(failure)) {
          const missing = of === undefined ? [topic] : [topic, ...this.#againOf(of)]
          for (const one of missing) await topology.make(one).catch(() => {}) // then it is asked for again
        }
        await sleep(clock, waitMs(n), closing)
      }
    }
  }

  /** Nothing comes back where nothing is kept. */
  #againOf(topic: string): readonly string[] {
    const { topology, names, group } = this.#options
    return topology.keepsNothing(topic, group) ? [] : [names.again(topic, group)]
  }

  #has(holding: Holding): boolean {
    return this.#held.get(`${holding.topic}\0${holding.partition}`) === holding
  }

  /** Gives up what is to be given up and has nothing out any more. */
  release(): void {
    if (this.#releasing) return
    this.#releasing = true
    void this.#release().finally(() => {
      this.#releasing = false
    })
  }

  async #release(): Promise<void> {
    const { commits, reader, onReleased } = this.#options
    const idle = () =>
      [...this.#held.values()].filter(
        ({ leaving, ready, leaderless, lines }) => leaving && (ready || leaderless) && lines.every((line) => line.out === 0),
      )
    for (let leaving = idle(); leaving.length > 0; leaving = idle()) {
      await commits.store(leaving.flatMap(({ lines }) => lines))
      // Given back to us meanwhile, perhaps.
      const still = leaving.filter((holding) => holding.leaving && this.#has(holding))
      for (const holding of still) {
        this.#held.delete(`${holding.topic}\0${holding.partition}`)
        for (const line of holding.lines) reader.remove(line)
      }
      if (still.length === 0) continue
      this.#changed()
      onReleased()
    }
  }

  /** The group went on without us. */
  loseAll(): void {
    const { reader, commits } = this.#options
    const held = [...this.#held.values()]
    this.#held.clear()
    for (const { lines } of held) for (const line of lines) reader.remove(line)
    commits.forget()
    this.#changed()
  }

  /** Other partitions are here: there is something else to read, and perhaps to hand out. */
  #changed(): void {
    const { fetcher, reader } = this.#options
    fetcher.wake()
    reader.pump()
  }

  /** A topic was deleted, or is another now: what is known of it is about another log. */
  reload(topic: string): void {
    const { reader, commits } = this.#options
    for (const [ofTopic, all] of Map.groupBy([...this.#held.values()], (one) => one.topic)) {
      const again = all.filter(({ lines }) => lines.some((line) => line.topic === topic))
      if (again.length === 0) continue
      for (const holding of again) {
        for (const line of holding.lines) reader.remove(line)
        holding.lines = []
        holding.ready = false
      }
      commits.forget()
      void this.#load(ofTopic, again) // never rejects
    }
  }
}
