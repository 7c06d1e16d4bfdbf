import { Queue, Worker } from 'bullmq'

const connection = { url: process.env.REDIS_URL ?? '', maxRetriesPerRequest: null }

// #region worker
const worker = new Worker(
  'emails',
  async (job) => {
    console.log('GOT', job.name, job.id, JSON.stringify(job.data))
    return { sent: job.data.id }
  },
  { connection },
)
// #endregion worker
await worker.waitUntilReady()
await new Queue('emails', { connection }).add('welcome', { id: 1 }, { jobId: 'first' })
console.log('READY')
