// #region express
import { closeOnSignal, emit } from '@corebus/core'
import express from 'express'
import { inRequest, messaging, UserCreated } from './messaging.ts'

const app = express()

app.post('/users/:id', (request, response) =>
  inRequest(
    async () => {
      const user = { id: Number(request.params.id) }
      emit(UserCreated, user)
      if (user.id === 13) throw new Error('not this one')
      return user
    },
    (user) => response.status(201).json(user),
  ),
)

export const server = app.listen(0)
closeOnSignal(server, messaging)
// #endregion express
