import type { Message } from '../../driver.ts'
import type { Messages } from './messages.ts'
import type { Stage } from './stage.ts'

export type Course = (stage: Stage) => Promise<void>

type Kind = 'killed' | 'twice' | 'twice at once' | 'overtaken' | 'late' | 'both at once'

/** One course of events, and what it is called in a finding. */
export interface History {
  readonly kind: Kind
  readonly name: string
  readonly play: Course
  /** The end that it should come to: as if the message had come once, or it and a newer one in their order, or in either. */
  readonly like: 'once' | 'in order' | 'in either order'
  /** The kinds of histories whose findings need not be said again of this one. */
  readonly unless?: readonly Kind[]
}

/** Delivers messages one after another, each until it is handled. */
export const inTurn =
  (...messages: readonly Message[]): Course =>
  async (stage) => {
    for (const message of messages) await stage.deliver(message)
  }

export interface HistoriesOptions {
  readonly messages: Messages
  /** The names of the calls of an undisturbed run, in their order. */
  readonly calls: readonly string[]
  /** Its group lets nothing of a key be overtaken. */
  readonly keepsOrder: boolean
  /** In how many orders the calls of two runs at once are tried. */
  readonly seeds: readonly number[]
}

/** Returns what can happen to a message that a broker delivers at least once. */
export function histories({ messages: { message, newer }, calls, keepsOrder, seeds }: HistoriesOptions): readonly History[] {
  const killed = calls.map(
    (call, i): History => ({
      kind: 'killed',
      name: `killed after call ${i + 1} of ${calls.length} (${call}), delivered again`,
      like: 'once',
      async play(stage) {
        await stage.deliverAndDie(message, i + 1)
        await stage.deliver(message)
      },
    }),
  )
  const atOnce = (seed: number): History => ({
    kind: 'twice at once',
    name: `delivered twice at once (seed ${seed})`,
    like: 'once',
    unless: ['twice'],
    play: (stage) => stage.deliverAtOnce([message, message], seed),
  })
  const twice: History = { kind: 'twice', name: 'delivered twice', like: 'once', play: inTurn(message, message) }
  return [...killed, twice, ...seeds.map(atOnce), ...(keepsOrder ? [] : besideANewerOne({ message, newer }, seeds))]
}

function besideANewerOne({ message, newer }: Messages, seeds: readonly number[]): readonly History[] {
  const atOnce = (seed: number): History => ({
    kind: 'both at once',
    name: `delivered at once with a newer one of its key (seed ${seed})`,
    like: 'in either order',
    unless: ['overtaken', 'twice at once'],
    play: (stage) => stage.deliverAtOnce([message, newer], seed),
  })
  return [
    { kind: 'overtaken', name: 'delivered after a newer one of its key', like: 'in order', play: inTurn(newer, message) },
    {
      kind: 'late',
      name: 'delivered again after a newer one of its key',
      like: 'in order',
      unless: ['twice'],
      play: inTurn(message, newer, message),
    },
    ...seeds.map(atOnce),
  ]
}
