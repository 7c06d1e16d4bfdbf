import { z } from 'zod'

/** Money in events and inside of services: whole cents, so that sums are exact. */
export const Cents = z.int().min(0)

/** The routes say money as people do: 59.9 for 5990 cents. */
export const centsOf = (amount: number): number => Math.round(amount * 100)
export const amountOf = (cents: number): number => cents / 100
