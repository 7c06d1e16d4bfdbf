// The consumer of the fuzz: its handler succeeds, fails once or fails always, as the number at the end of the body says; mended, it succeeds.

import { createMessaging } from '@corebus/core'
import {
  FUZZED,
  giveUp,
  type HostileOrders,
  handleOdd,
  onCommand,
  placeIn,
  readOrders,
  say,
} from '@corebus/core/testing/conformance/process'
import * as doom from './doom.ts'

const orders = readOrders<HostileOrders>()
const { topic, mended } = orders
const messaging = createMessaging({ ...placeIn(orders), service: 'conformance', ...FUZZED })
messaging.handle({ topic, group: 'g', decode: 'bytes' }, (body: Uint8Array, { attempt }) => {
  try {
    say({ kind: 'handled', id: '', n: handleOdd(body, { attempt, mended }), attempt })
  } catch (error) {
    doom.reach('threw')
    throw error
  }
})

onCommand((command) => {
  if (command.do === 'die') doom.expect(command)
  if (command.do === 'tellHealth') {
    const { live, ready, reasons, groups } = messaging.health()
    say({ kind: 'health', isWell: live && ready, unsettled: groups[0]?.unsettled ?? 0, reasons })
  }
  if (command.do === 'tellHeap') {
    globalThis.gc?.()
    say({ kind: 'heap', handled: 0, bytes: process.memoryUsage().heapUsed })
  }
  if (command.do === 'close') messaging.close().then(() => process.exit(0), giveUp)
})

await messaging.start()
say({ kind: 'ready' })
