import { COMMAND } from '../errors.ts'
import type { HandlerSpec } from './handler.ts'

/** Which of them were registered from the same line before, for the same messages. */
export function registeredOnce(specs: readonly HandlerSpec[]): { once: readonly HandlerSpec[]; again: readonly HandlerSpec[] } {
  const known = new Set<string>()
  const again = specs.filter((spec) => {
    const { where, at, group, on, classTopics } = spec
    if (at === undefined) return false
    const what = JSON.stringify([where, at, group, on.kind === 'event' ? [on.name, on.type?.topic] : '', on.topics, classTopics])
    return known.has(what) || !known.add(what)
  })
  return { once: specs.filter((spec) => !again.includes(spec)), again }
}

/** A module that was evaluated twice has registered its handlers twice: both would be called, or the first, which nobody can see any more. */
export function evaluatedAgain(specs: readonly HandlerSpec[]): string {
  const handlers = [...new Set(specs.map(({ where }) => where))].join(', ')
  const places = [...new Set(specs.map(({ at }) => at))].join(', ')
  return `registered twice: ${handlers}, from ${places}. That module was evaluated twice (hot reload, a test runner that resets modules, an import with a query), or the same line registers it in a loop. Restart the process instead, as ${COMMAND} consumer --watch does; in tests give each instance its own: createMessaging({ handlers: [...] })`
}
