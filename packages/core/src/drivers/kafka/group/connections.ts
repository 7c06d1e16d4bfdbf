import type { Clock } from '../../../clock.ts'
import type { Address } from '../address.ts'
import { connectAll } from '../connect.ts'
import { Client } from '../protocol/client.ts'

export interface MemberConnectionsOptions {
  readonly address: Address
  readonly clock: Clock
  readonly timeoutMs: number
  readonly onLost: (error: Error) => void
}

/** The connections of one member, each for a request that the broker may answer late: a join, a fetch at the end of the partitions, and one of what lies further back. */
export class MemberConnections {
  readonly joining: Client
  readonly polling: Client
  /** Connected when it is first used. */
  readonly catchingUp: Client
  readonly #options: MemberConnectionsOptions

  constructor(options: MemberConnectionsOptions) {
    const { address, onLost } = options
    this.#options = options
    this.joining = new Client({ address, onLost })
    this.polling = new Client({ address, onLost })
    this.catchingUp = new Client({ address, onLost })
  }

  /** @throws CorebusError CONNECT, CLOSED */
  open(closing: AbortSignal): Promise<void> {
    return connectAll([this.joining, this.polling], { ...this.#options, closing })
  }

  /** Nothing that is still out there is waited for: a poll, or the answer of a group that was left. */
  async close(): Promise<void> {
    await Promise.all([this.joining.close(0), this.polling.close(0), this.catchingUp.close(0)])
  }
}
