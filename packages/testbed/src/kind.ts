/** A real broker that tests and benchmarks may use. */
export interface Broker {
  readonly url: string
  /** What a process needs in its environment to use it. */
  readonly env: Readonly<Record<string, string>>
  /** Started here, for this caller alone: it may be restarted, killed and frozen. Of any other broker those methods reject. */
  readonly own: boolean
  /** Ends what was started here; leaves alone what was not. Safe to call twice. */
  stop(): Promise<void>
  /** Ends it as an operator would (SIGTERM) and starts it again on its data. Resolves when it answers. */
  restart(): Promise<void>
  /** The same with kill -9. */
  kill(): Promise<void>
  /** Connections stay open and it does nothing at all (SIGSTOP), until `thaw`. */
  freeze(): Promise<void>
  thaw(): Promise<void>
}

export type BrokerName = 'kafka' | 'rabbitmq' | 'redis'

/** How to find one kind of broker, or to make one. */
export interface BrokerKind {
  readonly name: BrokerName
  /** The variable that says where one is. */
  readonly variable: string
  readonly defaultUrl: string
  /** What to do about a missing one, in one line. */
  readonly install: string
  /** Whether a broker of this kind is there and lets us in. */
  answers(url: string): Promise<boolean>
  /** `undefined` when nothing is installed to start. */
  start(): Promise<Broker | undefined>
}
