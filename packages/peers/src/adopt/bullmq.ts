import type { Messaging } from '@corebus/core'
import { z } from 'zod'
import type { Handler } from './handler.ts'

/** What is used of a `Queue` of BullMQ. */
export interface JobQueue {
  add(name: string, data: object, options: { jobId: string }): Promise<unknown>
}

// #region from-events
/** What BullMQ writes of each job: all values are texts, and what a job returned is JSON. */
const Completed = z.object({ event: z.string(), jobId: z.string(), returnvalue: z.string().optional() })
type Completed = z.infer<typeof Completed>

export function whenCompleted(messaging: Messaging, handler: Handler<Completed>): void {
  messaging.handle({ topic: 'emails-jobs', from: { stream: 'bull:emails:events' }, schema: Completed }, async (job, context) => {
    if (job.event === 'completed') await handler(job, context)
  })
}
// #endregion from-events

// #region to-jobs
export function asJobs(messaging: Messaging, emails: JobQueue): void {
  messaging.handle({ topic: 'orders-placed' }, async (order: { id: number }, { id }) => {
    await emails.add('receipt', order, { jobId: id.replaceAll(':', '-') }) // a message that comes twice is one job
  })
}
// #endregion to-jobs
