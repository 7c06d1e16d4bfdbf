import type { Scheduler } from 'fast-check'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** The part of fast-check's scheduler that a history needs: it says what of all that is under way comes to its end next. */
export type Turns = Pick<Scheduler, 'schedule' | 'count' | 'waitNext' | 'report'>

/** A run loop's worth of what a settlement or a publish sets in motion: the driver hands out after I/O, and so does the settler. */
const LOOPS = 3

const { setImmediate } = globalThis

/** Lets happen what follows from what has just happened, as far as it waits for nobody. */
export async function follow(): Promise<void> {
  for (let loop = 0; loop < LOOPS; loop++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Time that stands still, and whose timers need no more of the loop than they use. */
export class HistoryClock extends VirtualClock {
  override settle(): Promise<void> {
    return follow()
  }
}

/** The numbers of the tasks in the order in which they ended: `inOrder` makes them end so again. */
export const orderOf = (turns: Turns): readonly number[] =>
  turns
    .report()
    .filter(({ status }) => status !== 'pending')
    .map(({ taskId }) => taskId)

/**
 * Ends tasks in the order that was printed. What has no place in it, because the code goes another way by now, ends in the order it came: a history that was
 * mended must pass, so this is less strict than `fc.schedulerFor`.
 */
export function inOrder(order: readonly number[]): Turns {
  const waiting = new Map<number, () => void>()
  let [tasks, next] = [0, 0]
  return {
    async schedule(task) {
      await new Promise<void>((resolve) => waiting.set(++tasks, resolve))
      return task
    },
    count: () => waiting.size,
    report: () => [],
    async waitNext() {
      const wanted = order[next++]
      const [first = 0] = waiting.keys()
      const id = wanted !== undefined && waiting.has(wanted) ? wanted : first
      const end = waiting.get(id)
      waiting.delete(id)
      end?.()
    },
  }
}
