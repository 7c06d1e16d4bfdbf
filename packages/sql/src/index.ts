export { serialised, type SessionKey } from './serialised.ts'
export { sqliteSession, type SqliteSessionOptions } from './session.ts'
