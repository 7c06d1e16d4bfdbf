import type { Messages } from './messages.ts'
import type { Stage } from './stage.ts'

/** One course of events, and what it is called in a finding. */
export interface History {
  readonly name: string
  play(stage: Stage): Promise<void>
  /** What it should come to: as if the message had come once, or it and a newer one in their order. */
  readonly like: 'once' | 'in order'
}

export interface Clean {
  /** The names of the calls of an undisturbed run, in their order. */
  readonly calls: readonly string[]
  /** It waits for some of them, so that two runs can come between each other. */
  readonly waits: boolean
}

/** The message is handled once, and nothing happens to it. */
export const once =
  ({ message }: Messages) =>
  (stage: Stage): Promise<void> =>
    stage.deliver(message)

/** The message is handled, and a newer one after it. */
export const inOrder =
  ({ message, newer }: Messages) =>
  async (stage: Stage): Promise<void> => {
    await stage.deliver(message)
    await stage.deliver(newer)
  }

export interface HistoriesOptions {
  readonly clean: Clean
  readonly messages: Messages
  /** Its group lets nothing of a key be overtaken. */
  readonly keepsOrder: boolean
  readonly seeds: readonly number[]
}

/** What can happen to a message that a broker delivers at least once. */
export function histories({ clean, messages: { message, newer }, keepsOrder, seeds }: HistoriesOptions): readonly History[] {
  const { calls } = clean
  const killed = calls.map(
    (call, i): History => ({
      name: `killed after call ${i + 1} of ${calls.length} (${call}), delivered again`,
      like: 'once',
      async play(stage) {
        await stage.deliverAndDie(message, i + 1)
        await stage.deliver(message, { again: true })
      },
    }),
  )
  const twice: History = {
    name: 'delivered twice',
    like: 'once',
    async play(stage) {
      await stage.deliver(message)
      await stage.deliver(message, { again: true })
    },
  }
  const atOnce = (clean.waits ? seeds : seeds.slice(0, 1)).map(
    (seed): History => ({
      name: `delivered twice at once (seed ${seed})`,
      like: 'once',
      play: (stage) => stage.deliverTwiceAtOnce(message, seed),
    }),
  )
  const overtaken: History = {
    name: 'delivered after a newer one of its key',
    like: 'in order',
    async play(stage) {
      await stage.deliver(newer)
      await stage.deliver(message)
    },
  }
  const late: History = {
    name: 'delivered again after a newer one of its key',
    like: 'in order',
    async play(stage) {
      await stage.deliver(message)
      await stage.deliver(newer)
      await stage.deliver(message, { again: true })
    },
  }
  return [...killed, twice, ...atOnce, ...(keepsOrder ? [] : [overtaken, late])]
}
