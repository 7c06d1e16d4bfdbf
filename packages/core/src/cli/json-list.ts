import { write } from './report.ts'

/** Writes a list as JSON while it is read: a million letters are never one text. */
export class JsonList {
  readonly #before: string
  #separator = ''
  #isOpen = false

  /** @param before what stands before the list */
  constructor(before = '') {
    this.#before = before
  }

  /** @returns false when nobody reads any more */
  async add(values: readonly unknown[]): Promise<boolean> {
    const text = values.map((value) => JSON.stringify(value)).join(',')
    const goesOn = await write(`${this.#head()}${text === '' ? '' : this.#separator}${text}`)
    if (text !== '') this.#separator = ','
    return goesOn
  }

  /** @param behind what stands behind the list */
  async end(behind = ''): Promise<void> {
    await write(`${this.#head()}]${behind}\n`)
  }

  #head(): string {
    if (this.#isOpen) return ''
    this.#isOpen = true
    return `${this.#before}[`
  }
}
