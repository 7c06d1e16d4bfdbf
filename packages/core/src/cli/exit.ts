/** What the process answers with. */
export const EXIT = { ok: 0, failed: 1, usage: 2, stuck: 70 } as const

/** The exit codes of a command, for its help. `stuck` says what 70 means. */
export const exitHelp = (stuck: string): string => `
Exit codes:
  0   done, or stopped after a drain
  1   it failed: the error is on stderr, -v adds the stack
  2   a mistake in the command, the configuration or the handlers: trying again
      cannot help
  70  ${stuck}: start it again`

export const EXIT_HELP: string = exitHelp('a handler ran past its time-out and the grace after it')

/** Codes of errors that are there again at the next try: somebody has to change something first. */
const MISTAKES = new Set([
  'USAGE',
  'CONFIG',
  'CONFIGURED',
  'SELECTION',
  'HANDLERS',
  'NO_HANDLERS',
  'STARTED',
  'OPTION',
  'RESOLVE',
  'DECORATOR',
  'RETRY_POLICY',
  'EVENT_TYPE',
  'SCHEMA_NOT_JSON',
  'TOPIC_MISSING',
  'SOURCE',
  'TARGET',
  'NO_OUT',
  'ENVELOPE',
  'NO_SUCH_TOPIC',
  'NO_SUCH_GROUP',
  'GROUP_HAS_MEMBERS',
  'NO_DEAD_LETTERS',
  'CURSOR',
  'KEY_MISSING',
  'NAME',
  'PAYLOAD_NOT_JSON',
  'PAYLOAD_INVALID',
  'TOO_LARGE',
  'PEER_MISSING',
  'BROKER_FILE_NAME',
  'BROKER_FILE_NETWORK',
  'TWO_VERSIONS',
  'URL',
  'CLIENT_OPTION',
  'COMPANION',
  'SESSION_MODE',
  'OUTBOX_MISSING',
  'OUTBOX_APART',
  'OUTBOX_SHARED',
  'SQL_DATABASE',
  'TX_DIALECT',
  'INBOX_KEEP',
  'SCHEDULE',
  'PROJECTION',
  'REBUILD_SOURCE',
  'REPLICATION',
  'REPLICATION_FILE',
  'REPLICATION_KEY',
  'MASTER_FIELD',
])

export function exitCodeOf(error: unknown): number {
  return MISTAKES.has(codeOf(error) ?? '') ? EXIT.usage : EXIT.failed
}

/** By property, not by class: the error may come from another copy of the package. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
