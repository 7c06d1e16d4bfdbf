import type { Difference } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Declarer } from './declare.ts'
import { type BindingThing, declare, differenceOf, exists, forbidden, missing, probe, type Thing } from './things.ts'

export interface Survey {
  readonly differences: readonly Difference[]
  /** What is to be made, in the order that was given. Bindings too: the broker does not tell whether they are there. */
  readonly toMake: readonly Thing[]
  /** By name, what differs and is taken as it is. */
  readonly accepted: readonly { readonly thing: string; readonly found: string }[]
}

/** What is there and what is missing. Nothing is changed. */
export async function look(things: readonly Thing[], declarer: Declarer): Promise<readonly Difference[]> {
  const differences: Difference[] = []
  for (const thing of things) if (thing.kind !== 'binding' && !(await exists(declarer, thing))) differences.push(missing(thing))
  return differences
}

/**
 * All that would keep the things from being made, found before the first of them is: a start that is refused leaves nothing behind. `later`: bindings
 * that are made when the group subscribes.
 * @throws CorebusError ACCESS_REFUSED for what this user may not make
 */
export async function survey(things: readonly Thing[], later: readonly BindingThing[], declarer: Declarer): Promise<Survey> {
  const differences: Difference[] = []
  const accepted: Survey['accepted'][number][] = []
  const absent = new Set<string>()
  for (const thing of things) {
    if (thing.kind === 'binding') continue
    if (!(await exists(declarer, thing))) {
      absent.add(keyOf(thing))
      if (thing.kind === 'exchange' || thing.kind === 'queue') await probe(declarer, thing)
      else differences.push(missing(thing))
    } else if (thing.kind === 'exchange' || thing.kind === 'queue') {
      const difference = await compared(thing, declarer)
      if (difference?.accepted) accepted.push({ thing: thing.name, found: difference.found })
      else if (difference) differences.push(difference)
    }
  }
  // With one of its ends missing it cannot be made, but the broker asks for the rights first.
  for (const binding of [...things.filter((thing) => thing.kind === 'binding'), ...later])
    if (absent.has(`${binding.to} ${binding.name}`) || absent.has(`exchange ${binding.from}`)) await mayBind(binding, declarer)
  return { differences, accepted, toMake: things.filter((thing) => thing.kind === 'binding' || absent.has(keyOf(thing))) }
}

async function compared(thing: Thing, declarer: Declarer): Promise<ReturnType<typeof differenceOf> | undefined> {
  try {
    await declarer.run((channel) => declare(channel, thing))
    return undefined
  } catch (error) {
    // It is there. Who may not make it cannot have it compared.
    if (error instanceof CorebusError && error.code === 'ACCESS_REFUSED') return undefined
    return differenceOf(error, thing)
  }
}

async function mayBind(binding: BindingThing, declarer: Declarer): Promise<void> {
  try {
    await declarer.unlessMissing(async (channel) => ({ made: await declare(channel, binding) }))
  } catch (error) {
    throw forbidden(error, binding.what)
  }
}

/** Makes what may have been made meanwhile. @returns the first thing that somebody has made otherwise */
export async function make(things: readonly Thing[], declarer: Declarer): Promise<Difference | undefined> {
  for (const thing of things)
    try {
      await declarer.run((channel) => declare(channel, thing))
    } catch (error) {
      const difference = differenceOf(error, thing)
      if (!difference.accepted) return difference
    }
  return undefined
}

function keyOf({ kind, name }: Thing): string {
  return `${kind} ${name}`
}
