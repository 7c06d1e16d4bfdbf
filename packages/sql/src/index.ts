export { type SessionKey, serialised } from './serialised.ts'
export { type SqliteSessionOptions, sqliteSession } from './session.ts'
