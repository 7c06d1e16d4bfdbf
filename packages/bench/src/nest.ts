import 'reflect-metadata'
import { Controller, Logger, Module } from '@nestjs/common'
import { Ctx, EventPattern, Payload } from '@nestjs/microservices'
import type { Handled } from './load.ts'
import { Order } from './payload.ts'

Logger.overrideLogger(false)

export interface NestOptions<Context> {
  readonly pattern: string
  readonly handled: Handled
  readonly acknowledge?: (context: Context) => void
}

/** One controller that validates what it gets. Node strips types and knows no decorators: they are called. */
export function application<Context>({ pattern, handled, acknowledge }: NestOptions<Context>): new () => object {
  class Orders {
    created(data: unknown, context: Context): void {
      const { total } = Order.parse(data)
      if (total > 0) handled.one()
      acknowledge?.(context)
    }
  }
  EventPattern(pattern)(Orders.prototype, 'created', Object.getOwnPropertyDescriptor(Orders.prototype, 'created') as PropertyDescriptor)
  Payload()(Orders.prototype, 'created', 0)
  Ctx()(Orders.prototype, 'created', 1)
  Controller()(Orders)
  class App {}
  Module({ controllers: [Orders] })(App)
  return App
}
