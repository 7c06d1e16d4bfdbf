import type { Session } from '@corebus/core'

/** Stands for a database: a table whose rows are there once its transaction has committed. */
export class Users {
  #rows: readonly string[] = []

  get rows(): readonly string[] {
    return this.#rows
  }

  insert(email: string): number {
    if (this.#rows.includes(email)) throw new Error(`${email} is there already`)
    this.#rows = [...this.#rows, email]
    return this.#rows.length
  }

  readonly transaction: Session<Users> = async (work) => {
    const before = this.#rows
    try {
      return await work(this)
    } catch (error) {
      this.#rows = before
      throw error
    }
  }
}

export const users = new Users()
