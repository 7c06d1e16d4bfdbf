import { CorebusError } from '../errors.ts'
import { newId } from '../wire/id.ts'
import { forbid } from './forbidden.ts'
import { join } from './in-session.ts'
import type { Owner } from './publishing.ts'
import type { Requests } from './request.ts'
import { createBlockScope, createScope, currentScope, type Scope, scopeOwnedBy } from './scope.ts'

/**
 * `session(work)` of an instance. Inside of a session of the instance that is open and writes it joins that one: the same `db`, and one commit. In
 * a handler or request with `session: 'manual'` it opens the part. Anywhere else it opens a session of its own.
 */
export function sessionOn(owner: () => Owner, requests: () => Pick<Requests, 'block'>): Owner['session'] {
  return async (work) => {
    if (typeof work !== 'function')
      throw new CorebusError('OPTION', 'session(work) takes a function, which gets the open session: session(async (db) => ...)')
    const around = scopeOwnedBy(owner())
    if (around?.open?.reads)
      throw new CorebusError(
        'SESSION_READS',
        'session(work) was called in a session that only reads, which it cannot join. Say session: true for the handler or route around it',
      )
    if (around?.open) return join(around.open, work)
    if (around?.guard) {
      // One that is over and has succeeded forbids nothing: what it has started may run on.
      if (!around.over) forbid(around.guard)
      if (around.ended)
        throw new CorebusError('NO_SESSION', 'session(work) was called after the handler around it had failed: wait for it inside')
    }
    if (around?.parts && !around.over) return around.parts.session(work)
    return requests().block(scopeIn(around, owner()), work)
  }
}

/** A scope that is over is left behind: a loop that opens one session after another would keep all of them. */
function scopeIn(around: Scope | undefined, owner: Owner): Scope {
  const current = currentScope()
  const correlationId = (around ?? current)?.correlationId ?? newId()
  if (around && !around.over) return createBlockScope(owner, around, correlationId)
  return createScope({ owner, correlationId, outer: current?.over ? undefined : current })
}
