import type { Child } from '../child.ts'

/** How far a run has come. It is asked often and much is said, so nothing is read twice. */
export class Progress {
  readonly #read = new Map<Child, number>()
  readonly #waiting = new Set<string>()
  readonly #ended = new Set<string>()
  #notes = 0
  #settled = 0
  #confirmed = 0

  /** Everything said so far. */
  get notes(): number {
    this.#look()
    return this.#notes
  }

  get settled(): number {
    this.#look()
    return this.#settled
  }

  get confirmed(): number {
    this.#look()
    return this.#confirmed
  }

  /** Confirmed, and neither handled nor dead-lettered yet. */
  get waiting(): number {
    this.#look()
    return this.#waiting.size
  }

  follow(child: Child): void {
    this.#read.set(child, 0)
  }

  #look(): void {
    for (const [child, from] of this.#read) {
      const { said } = child
      this.#read.set(child, said.length)
      for (let i = from; i < said.length; i++) {
        const one = said[i]
        if (one?.kind !== 'note') continue
        const { note } = one
        this.#notes++
        if (note.what === 'settled') this.#settled++
        if (note.what === 'confirmed') {
          this.#confirmed += note.ids.length
          for (const id of note.ids) if (!this.#ended.has(id)) this.#waiting.add(id)
        }
        if (note.what !== 'done' && (note.what !== 'settled' || note.how !== 'deadLetter')) continue
        this.#ended.add(note.id)
        this.#waiting.delete(note.id)
      }
    }
  }
}
