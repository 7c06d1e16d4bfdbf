// #region class
import { consumer, type HandlerContext, onEvent } from '@corebus/core'
import { UserCreated } from './events.ts'

export interface Orders {
  /** Does nothing for a user who has one. */
  addWelcome(userId: number): Promise<void>
}

@consumer('order-service', { topics: ['user-events'], maxRetries: 3, retryDelayMs: 2_000 })
export class OrderEvents {
  readonly #orders: Orders

  constructor(orders: Orders) {
    this.#orders = orders
  }

  @onEvent(UserCreated)
  async welcome({ data }: UserCreated, { logger }: HandlerContext): Promise<void> {
    await this.#orders.addWelcome(data.id)
    logger.debug('welcome order made')
  }
}
// #endregion class
