import type { HandlerContext } from '@corebus/core'

export type Handler<Message> = (message: Message, context: HandlerContext) => unknown
