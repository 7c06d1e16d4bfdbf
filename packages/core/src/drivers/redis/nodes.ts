import { type Clock, monotonic, sleep } from '../../clock.ts'
import { asError, CorebusError } from '../../errors.ts'
import { insist } from '../insist.ts'
import type { Address, Node } from './address.ts'
import { isElsewhere, isTemporary } from './failure.ts'
import { type Argument, Link, type Reply } from './link.ts'
import { callOf, type Script } from './script.ts'
import { slotOf } from './slot.ts'

export interface NodesOptions {
  readonly address: Address
  readonly clock: Clock
  readonly timeoutMs: number
  /** A connection is there, or another node has what a lost one had. */
  readonly onUp: () => void
  readonly onDown: (link: Link, error: Error) => void
}

const AGAIN_MS = 500

/** The connections for everything but waiting for messages: one, or in a cluster one to each node. */
export class Nodes {
  readonly #options: NodesOptions
  readonly #links = new Map<string, Link>()
  readonly #closing = new AbortController()
  readonly #first: Link
  /** In a cluster: where each slot is. */
  #slots: string[] | undefined
  #refreshing: Promise<void> | undefined

  constructor(options: NodesOptions) {
    this.#options = options
    this.#first = this.#link(options.address.node)
  }

  get links(): readonly Link[] {
    return [...this.#links.values()]
  }

  get isCluster(): boolean {
    return this.#slots !== undefined
  }

  /** @throws CorebusError CONNECT */
  async open(withinMs: number): Promise<void> {
    const { clock } = this.#options
    const deadline = monotonic(clock) + withinMs
    await this.#first.open(withinMs)
    if (this.#first.hello.mode !== 'cluster') return
    await this.#refresh(this.#first)
    for (const link of this.links) await link.up(Math.max(deadline - monotonic(clock), 1), this.#closing.signal)
  }

  /** The connection to who has the key. */
  of(key: string): Link {
    if (!this.#slots) return this.#first
    return this.#links.get(this.#slots[slotOf(key)] ?? '') ?? this.#first
  }

  /** @throws CONNECTION_LOST (it may have been done), or what Redis says. */
  async send(key: string, args: readonly Argument[], bytes = false): Promise<Reply> {
    const link = this.of(key)
    try {
      return await link.send(args, bytes)
    } catch (thrown) {
      this.noteFailure(link, asError(thrown))
      throw thrown
    }
  }

  /** The same for a script. `keys` are of one topic. */
  async run(script: Script, keys: readonly string[], args: readonly Argument[], bytes = false): Promise<Reply> {
    const [key = ''] = keys
    try {
      return await this.send(key, callOf('EVALSHA', script, keys, args), bytes)
    } catch (thrown) {
      // After a restart the server does not know it. Nothing was done.
      if (!asError(thrown).message.startsWith('NOSCRIPT')) throw thrown
      return this.send(key, callOf('EVAL', script, keys, args), bytes)
    }
  }

  /** Does again what a lost connection or a busy server has interrupted, until it works or the time is over: only for what can be done twice. */
  insist<T>(work: () => Promise<T>, signal: AbortSignal, withinMs: number = this.#options.timeoutMs): Promise<T> {
    const isFinal = (thrown: unknown) => !isTemporary(asError(thrown))
    return insist(work, { clock: this.#options.clock, withinMs, signal, isFinal })
  }

  /** Another node may have it now. */
  noteFailure(link: Link, error: Error): void {
    if (!isElsewhere(error)) return
    if (this.#slots) this.#refreshSoon()
    // It was the primary, and is not any more: its name may lead to another now.
    else if (error.message.startsWith('READONLY')) link.renew(error)
  }

  /** Safe to call twice, and at any time. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.links.map((link) => link.close()))
    await this.#refreshing
  }

  #link(node: Node): Link {
    const { address, clock, onUp, onDown } = this.#options
    const link: Link = new Link({
      address,
      node,
      clock,
      onUp,
      onDown: (error) => {
        onDown(link, error)
        if (this.#slots) this.#refreshSoon()
      },
    })
    this.#links.set(link.where, link)
    return link
  }

  #refreshSoon(): void {
    if (this.#closing.signal.aborted) return
    // Never rejects.
    this.#refreshing ??= this.#refreshUntilDone().finally(() => {
      this.#refreshing = undefined
    })
  }

  async #refreshUntilDone(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      for (const link of this.links.filter(({ isUp }) => isUp)) {
        try {
          await this.#refresh(link)
          return
        } catch {
          // Another one may know.
        }
      }
      await sleep(this.#options.clock, AGAIN_MS, this.#closing.signal)
    }
  }

  async #refresh(link: Link): Promise<void> {
    const slots: string[] = []
    const nodes = new Map<string, Node>()
    for (const range of listOf(await link.send(['CLUSTER', 'SLOTS']))) {
      const [from, to, primary] = listOf(range)
      const [host, port] = listOf(primary)
      // A node that does not know its own name leaves it out.
      const node = { host: typeof host === 'string' && host !== '' ? host : link.node.host, port: Number(port) }
      const where = `${node.host}:${node.port}`
      nodes.set(where, node)
      for (let slot = Number(from); slot <= Number(to); slot++) slots[slot] = where
    }
    if (nodes.size === 0) throw new CorebusError('REFUSED', `the cluster at ${link.where} has no slots`)
    this.#slots = slots
    for (const [where, node] of nodes) if (!this.#links.has(where)) this.#link(node).start()
    for (const [where, old] of this.#links)
      if (!nodes.has(where) && old !== this.#first) {
        this.#links.delete(where)
        void old.close() // never rejects
      }
    this.#options.onUp()
  }
}

export function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : []
}
