// #region provider
import { consumer, type EventOf, onEvent } from '@corebus/core'
import { Injectable } from '@nestjs/common'
import { UserDeleted } from './users'

@Injectable()
export class Sessions {
  readonly ended: number[] = []
}

@consumer('cleanup')
@Injectable()
export class Cleanup {
  constructor(private readonly sessions: Sessions) {}

  @onEvent(UserDeleted)
  endSessions({ data }: EventOf<typeof UserDeleted>): void {
    this.sessions.ended.push(data.id)
  }
}
// #endregion provider
