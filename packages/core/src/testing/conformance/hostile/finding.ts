/** What is wrong after a fuzz. */
export interface Finding {
  readonly kind: /** Neither handled nor in the dead letters, and nothing is left on the broker. */
    | 'lost'
    /** The same, and the broker still has something that does not get on. */
    | 'stuck'
    /** In the dead letters, and its handler would have taken it. */
    | 'wronglyDead'
    /** A letter without what a letter says, or with somebody else's word for it. */
    | 'letter'
    /** A letter that was handed back and not handled. */
    | 'notReplayed'
    | 'unhealthy'
    /** The process ended by itself. */
    | 'died'
    /** The heap grew with the number of messages. */
    | 'grew'
  readonly text: string
  /** The message that it is about. */
  readonly n?: number
}
