/** Our names on the wire. Everything else in a message's headers belongs to its author. */
export const HEADER = {
  id: 'corebus-id',
  key: 'corebus-key',
  /** The attempt this copy is for, 1 at first. In a dead letter: the attempts made. */
  attempt: 'corebus-attempt',
  snoozes: 'corebus-snoozes',
  /** Since when it is passed on from member to member, ms since the epoch; empty once one has taken it. */
  passedSince: 'corebus-passed-since',
  failedAt: 'corebus-failed-at',
  error: 'corebus-error',
  /** Of the error that ended it, where it had one. */
  errorCode: 'corebus-error-code',
  errorStack: 'corebus-error-stack',
  reason: 'corebus-reason',
  tombstone: 'corebus-tombstone',
  /** In a dead letter that the broker did not take whole: what of its message is not in it. */
  leftOut: 'corebus-left-out',
  topic: 'corebus-topic',
  group: 'corebus-group',
  correlation: 'corebus-correlation',
  causation: 'corebus-causation',
  contentType: 'content-type',
} as const

/** Names beginning with this are ours: a user who sets one gets an error. */
export const RESERVED_PREFIX = 'corebus-'
