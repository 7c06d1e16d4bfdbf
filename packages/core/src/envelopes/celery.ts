import { RetryLater } from '../errors.ts'
import type { EnvelopeIn, EnvelopeOut, Incoming } from '../wire/foreign-envelope.ts'
import { isObject } from './json.ts'

/** What a task is called with: `z.object({ args: z.tuple([z.number()]), kwargs: z.object({ ... }) })` is a schema of it. */
export interface TaskData {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
}

const read: EnvelopeIn = (message) => {
  const task = message.header('task')
  const id = message.header('id')
  if (!task || !id) return undefined
  const compression = message.header('compression')
  if (compression) throw new Error(`the body of task ${task} is compressed with ${compression}: publish it without compression`)
  const body = message.json()
  if (!Array.isArray(body) || !Array.isArray(body[0]) || !isObject(body[1]))
    throw new Error(`the body of task ${task} is not [args, kwargs, embed] of protocol 2`)
  notBeforeItsTime(message)
  const data: TaskData = { args: body[0], kwargs: body[1] }
  return { name: task, data, id, source: message.header('origin') }
}

/** As an absent one comes, by transport. */
const NO_ETA: ReadonlySet<string> = new Set(['', 'None', 'null'])
const WITHOUT_ZONE = /T[\d:.]+$/

/** `countdown` and `eta`: a worker keeps such a task in its hands until then; here it comes again. */
function notBeforeItsTime(message: Incoming): void {
  const eta = message.header('eta') ?? ''
  if (NO_ETA.has(eta)) return
  // A time without a zone is one in UTC, as Celery has it; to Date it would be one of this machine's zone.
  const due = Date.parse(WITHOUT_ZONE.test(eta) ? `${eta}Z` : eta)
  if (Number.isNaN(due)) throw new Error(`the eta of the task is no time: ${eta}`)
  const waitMs = due - Date.now()
  if (waitMs > 0) throw new RetryLater(waitMs)
}

const write: EnvelopeOut = ({ name, data, id, source }) => {
  const { args, kwargs } = taskData(name, data)
  return {
    body: [args, kwargs, { callbacks: null, errbacks: null, chain: null, chord: null }],
    headers: { lang: 'py', task: name, id, root_id: id, origin: source, 'content-type': 'application/json' },
    properties: { contentType: 'application/json', contentEncoding: 'utf-8', correlationId: id },
  }
}

function taskData(name: string, data: unknown): TaskData {
  const { args = [], kwargs = {}, ...rest } = isObject(data) ? data : { rest: data }
  if (Array.isArray(args) && isObject(kwargs) && Object.keys(rest).length === 0) return { args, kwargs }
  throw new Error(`the data of task ${name} must be { args?, kwargs? }: an array and an object`)
}

/**
 * Tasks of Celery (message protocol 2, JSON): the task's name is the event's, and its data are `{ args, kwargs }`. A task with a countdown or an eta
 * waits for it in the group's own retry delays. What a task returns is written to no result backend, and `expires` is not read.
 */
export const celeryTasks: { readonly in: EnvelopeIn; readonly out: EnvelopeOut } = { in: read, out: write }
