// #region fastify
import { emit } from '@corebus/core'
import Fastify from 'fastify'
import { inRequest, messaging, UserCreated } from './messaging.ts'

export const app = Fastify()

app.post<{ Params: { id: string } }>('/users/:id', async (request, reply) => {
  await inRequest(
    async () => {
      const user = { id: Number(request.params.id) }
      emit(UserCreated, user)
      if (user.id === 13) throw new Error('not this one')
      return user
    },
    (user) => reply.code(201).send(user),
  )
  return reply
})

app.addHook('onClose', () => messaging.close())
// #endregion fastify
