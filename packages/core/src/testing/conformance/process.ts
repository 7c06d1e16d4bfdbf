// The door for the processes of `@corebus/conformance`: how they talk with the suite that started them.
export { HEADER } from '../../wire/headers.ts'
export type { LoadedChange } from './chaos/mutation.ts'
export { randomOf } from './chaos/random.ts'
export { FUZZED, handleOdd } from './hostile/odd.ts'
export * from './notes.ts'
export * from './protocol.ts'
export { messages, numberIn } from './room.ts'
