import { defaultMessaging, type Messaging } from '@corebus/core'
import { Hono } from 'hono'
import type { JSONParsed } from 'hono/utils/types'

type Health = ReturnType<Messaging['health']>
type Probe = { $get: { input: object; output: JSONParsed<Health>; outputFormat: 'json'; status: 200 | 503 } }

/**
 * `/livez` and `/readyz`, with 200 or 503, and how each subscription does: `app.route('/', health())`. Put it before `requestScope`, which opens a session.
 * An absent broker is live and not ready. The answers name groups and topics: let no stranger ask.
 */
export function health(
  messaging: Pick<Messaging, 'health'> = defaultMessaging(),
): Hono<object, { '/livez': Probe; '/readyz': Probe }, '/'> {
  const app = new Hono()
  for (const [path, good] of [
    ['/livez', 'live'],
    ['/readyz', 'ready'],
  ] as const)
    app.get(path, (c) => {
      const now = messaging.health()
      return c.json(now, now[good] ? 200 : 503, { 'Cache-Control': 'no-store' })
    })
  return app as never // the two routes that the type says
}
