// #region all
import { consumer, event, onEvent } from '@corebus/core'
import { action, ViewSet } from '@corebus/hono'
import { UserCreated } from './events.ts'

export class Users extends ViewSet {
  @action({ method: 'POST', path: 'register' })
  @event(UserCreated) // what it returns, once the response is out
  async register() {
    return { id: 1, email: 'ana@example.com' }
  }
}

@consumer('welcome')
export class Welcome {
  @onEvent(UserCreated)
  greet({ data }: UserCreated) {
    console.log(`welcome, ${data.email}`)
  }
}
// #endregion all
