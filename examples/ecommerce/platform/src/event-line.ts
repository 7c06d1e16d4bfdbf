import type { HandleMiddleware } from '@corebus/core'

/** Logs one line an event that was handled, with its id and that of its user. Topic, key, id and correlation id are bound to the context's logger. */
export const eventLine: HandleMiddleware = async ({ input, context }, next) => {
  const begunAt = performance.now()
  const result = await next()
  const ms = Math.round(performance.now() - begunAt)
  context.logger.info({ eventId: context.id, userId: userIn(input), ms }, `${context.topic} ${context.key} is done, in ${ms} ms`)
  return result
}

function userIn(input: unknown): unknown {
  const { name, data } = input as { readonly name?: string; readonly data?: { readonly id?: unknown; readonly user_id?: unknown } }
  return data?.user_id ?? (name?.startsWith('user.') ? data?.id : undefined)
}
