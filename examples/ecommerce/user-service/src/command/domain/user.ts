export interface UserState {
  readonly id: number
  readonly name: string
  readonly email: string
  /** Begins at 1 and grows with every change. */
  readonly version: number
  readonly createdAt: string
  readonly updatedAt: string
}

export interface UserChange {
  readonly name?: string | undefined
  readonly email?: string | undefined
}

export class User {
  #state: UserState

  constructor(state: UserState) {
    this.#state = state
  }

  static create({ id, name, email, at }: { id: number; name: string; email: string; at: string }): User {
    return new User({ id, name, email: normalised(email), version: 1, createdAt: at, updatedAt: at })
  }

  get state(): UserState {
    return this.#state
  }

  change({ name = this.#state.name, email = this.#state.email }: UserChange, at: string): void {
    this.#state = { ...this.#state, name, email: normalised(email), version: this.#state.version + 1, updatedAt: at }
  }
}

/** The address in lower case, so that the unique index means the same on every database. */
const normalised = (email: string): string => email.toLowerCase()
