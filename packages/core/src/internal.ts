// What the other packages of Corebus need of this one and users do not: no promise is made about it.

export { FUNCTION, ON_EVENT } from './handlers/specs.ts'
export { awaitsCompanion, takesWanted } from './handlers/unstarted.ts'
export { isOpenSession } from './messaging.ts'
export { checkNames, checkOptions } from './options/check.ts'
export {
  callable,
  flag,
  having,
  isText,
  milliseconds,
  must,
  type Option,
  type Options,
  objectOf,
  objectsOf,
  oneOf,
  text,
  texts,
  whole,
} from './options/option.ts'
export { testNow } from './process/test-time.ts'
export { type Wanted, wanted } from './process/wanted.ts'
export { givenTo } from './scope/given.ts'
export { SESSION_MODE } from './scope/session.ts'
export { decodeJson, isEnvelope } from './wire/envelope.ts'
export { HEADER } from './wire/headers.ts'
export { changedByJson } from './wire/plain.ts'
