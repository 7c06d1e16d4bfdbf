import { createMessaging, type Messaging } from '@corebus/core'
import { Charge } from './events.ts'

export interface Secrets {
  readonly password: string
  /** PEM text. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export function overTls(url: string, { password, ca, cert, key }: Secrets): Messaging {
  // #region tls
  return createMessaging({
    service: 'payments',
    broker: 'rabbitmq',
    url, // amqps://broker.example/production: the host and the virtual host
    auth: { username: 'payments', password },
    tls: { ca, cert, key }, // PEM text. cert and key only where the broker asks its clients for one
  })
  // #endregion tls
}

// #region rights
/** Of `payments`, which may create nothing: what `rabbitmqctl set_permissions` takes. */
export const RIGHTS = {
  configure: '^$',
  write: '^(payments\\.process|payment-events|corebus:delay|amq\\.default)$',
  read: '^(corebus:topology|payments\\.process(:payments|\\.unclaimed))$',
}
// #endregion rights

export interface PaymentsOptions {
  readonly url: string
  readonly topology: 'create' | 'check'
  readonly charge: (payment: Charge) => Promise<void>
}

// #region check
export function payments({ url, topology, charge }: PaymentsOptions): Messaging {
  const messaging = createMessaging({ service: 'payments', broker: 'rabbitmq', url, topology })
  messaging.handle({ topic: 'payments.process', schema: Charge, maxRetries: 1, retryDelayMs: 1_000 }, async (payment) => {
    await charge(payment)
    messaging.emit('payment.completed', { order_id: payment.order_id }, { topic: 'payment-events' })
  })
  return messaging
}
// #endregion check
