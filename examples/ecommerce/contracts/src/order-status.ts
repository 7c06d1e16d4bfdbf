import { z } from 'zod'

/** PENDING until product-service has reserved the stock, RESERVED until it is paid. PAID and CANCELED are final. */
export const OrderStatus = z.enum(['PENDING', 'RESERVED', 'PAID', 'CANCELED'])
export type OrderStatus = z.infer<typeof OrderStatus>

export const CancelReason = z.enum(['out_of_stock', 'user', 'expired'])
export type CancelReason = z.infer<typeof CancelReason>
