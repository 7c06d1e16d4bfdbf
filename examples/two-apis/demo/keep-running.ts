import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type MeetingPlace, meetingPlace } from './broker.ts'
import { abortOnSignal } from './signals.ts'
import { timeline } from './timeline.ts'
import { bootTwoApis, type TwoApis } from './two-apis.ts'

/** The root of the repository. Everything is kept in its `.core/`: the same place where the services and `npx corebus` themselves look for it. */
export const ROOT: string = join(dirname(fileURLToPath(import.meta.url)), '../../..')

/** Until a signal: exit code 0 when all of them have ended well. When one dies by itself the rest is stopped: exit code 1. */
export async function keepRunning(env: NodeJS.ProcessEnv): Promise<number> {
  const asked = abortOnSignal()
  const { line, tell } = timeline()
  const ports = { users: Number(env.USERS_PORT ?? 4001), orders: Number(env.ORDERS_PORT ?? 4002) }
  let place: MeetingPlace | undefined
  let apis: TwoApis | undefined
  let code = 0
  try {
    place = await meetingPlace(env, ROOT, (what) => tell('start', 'says', what))
    asked.throwIfAborted()
    apis = await bootTwoApis({ env: { ADMIN_TOKEN: 'admin', ...env, ...place.env }, ports, onLine: line, signal: asked })
    console.log(welcome(apis.urls))
    await over(apis.signal)
    if (!asked.aborted) throw apis.signal.reason
    tell('start', 'stopped', 'they finish what they have and end; once more to end them at once')
  } catch (error) {
    if (!asked.aborted) {
      code = 1
      console.error(`start: ${error instanceof Error ? error.message : String(error)}`)
      if (String(error).includes('EADDRINUSE')) console.error('start: USERS_PORT and ORDERS_PORT name other ports')
    }
  }
  const failed = (await apis?.stop()) ?? []
  await place?.end()
  for (const who of failed) tell('start', 'warning', `did not end with exit code 0: ${who}`)
  if (code === 0 && failed.length === 0) tell('start', 'stopped', 'all of them have ended with exit code 0')
  return failed.length > 0 ? 1 : code
}

async function over(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

function welcome({ users, orders }: TwoApis['urls']): string {
  return `
users-api   ${users}
orders-api  ${orders}

  curl --json '{"email":"ana@example.com","password":"a long secret"}' ${users}/users/register
  curl --json '{"user_id":1,"items":[{"sku":"tea","quantity":2,"price":4.5}]}' ${orders}/orders
  curl '${orders}/orders?user_id=1'

Ctrl-C stops all of it.
`
}
