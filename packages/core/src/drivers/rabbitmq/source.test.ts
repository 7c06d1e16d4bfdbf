import { expect, test } from 'vitest'
import { typeIn } from './source.ts'

test.each([
  // 3.10, seen.
  ["PRECONDITION_FAILED - invalid arg 'x-priority' for queue 's' in vhost '/' of queue type rabbit_stream_queue", 'stream'],
  ["PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue", 'quorum'],
  ["PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type rabbit_classic_queue", 'classic'],
  // What another version may say.
  ["PRECONDITION_FAILED - invalid arg 'x-priority' for queue 's' in vhost '/' of queue type stream", 'stream'],
  ["PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type 'quorum'", 'quorum'],
  ["PRECONDITION_FAILED - invalid arg 'x-priority' for queue 's' in vhost '/'", 'stream'],
  ["PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/'", undefined],
  [
    "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'of queue type rabbit_stream_queue' in vhost '/' of queue type classic",
    'classic',
  ],
  ['PRECONDITION_FAILED - something else', undefined],
])('%s: %s', (words, type) => {
  expect(typeIn(words)).toBe(type)
})
