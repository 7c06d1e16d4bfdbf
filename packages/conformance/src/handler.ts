// A consumer service: one handler, at the messaging instance. SIGTERM closes it, as `npx corebus consumer` does.

import { createMessaging } from '@corebus/core'
import { block, onCommand, pause, placeIn, readOrders, say } from '@corebus/core/testing/conformance/process'

interface Body {
  readonly n: number
  readonly poison?: true
}

const orders = readOrders()
const { topic, group = 'g', does = 'ack', tookMs = 0, dies = false, messaging: options = {} } = orders
const messaging = createMessaging({ ...placeIn(orders), service: 'conformance', ...options })

messaging.handle({ topic, group }, async ({ n, poison }: Body, { id, attempt, signal }) => {
  say({ kind: 'started', id, n, attempt })
  if (poison && dies) process.kill(process.pid, 'SIGKILL')
  if (tookMs > 0) await pause(tookMs)
  if (does === 'hold')
    await new Promise<void>((_, reject) => {
      signal.addEventListener('abort', () => {
        say({ kind: 'aborted', id, n, attempt })
        reject(signal.reason)
      })
    })
  if (does === 'throw') throw new Error(`no, said the handler at attempt ${attempt}`)
  say({ kind: 'handled', id, n, attempt })
})

let closing = false
process.on('SIGTERM', () => {
  closing = true
  messaging.close().then(() => {
    say({ kind: 'closed' })
    process.exit(0)
  }, report)
})

onCommand((command) => {
  if (command.do === 'block') block(command.forMs)
})

function report(error: unknown): void {
  console.error(error)
  process.exit(1)
}

try {
  await messaging.start()
  say({ kind: 'ready' })
} catch (error) {
  // It may be told to end when it handles already and has not quite started: then start says so, and close goes on.
  if (!closing) report(error)
}
