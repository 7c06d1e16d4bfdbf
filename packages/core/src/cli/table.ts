import { oneLine } from '../observe/readable.ts'

export interface Column {
  readonly title: string
  readonly align?: 'right'
  /** May be cut to make the table fit. */
  readonly shrinks?: true
  /** May be left out to make the table fit: first what no row says anything of, then the last of them. */
  readonly gives?: true
}

const GAP = '  '
const NARROWEST = 8
const NOTHING = '-'

/** Left or right aligned text, no wider than `width`, as far as its columns may be cut or left out. */
export function table(given: readonly Column[], rows: readonly (readonly string[])[], width: number = terminalWidth()): string {
  const layout = new Layout(given, rows, width)
  return [layout.head(), ...layout.lines(rows)].join('\n')
}

/** The columns of a table, as wide as the rows that it begins with want them. Rows that come later stand in the same columns. */
export class Layout {
  readonly #columns: readonly Column[]
  readonly #kept: readonly number[]
  readonly #widths: readonly number[]
  readonly #isCut: boolean

  constructor(given: readonly Column[], rows: readonly (readonly string[])[], width: number = terminalWidth()) {
    const { columns, rows: cells } = fewer(given, rows.map(shown), width)
    const widths = widthsOf(columns, cells)
    fit(columns, widths, width - GAP.length * (columns.length - 1))
    this.#columns = columns
    this.#kept = columns.map((column) => given.indexOf(column))
    this.#widths = widths
    this.#isCut = width < Number.POSITIVE_INFINITY
  }

  head(): string {
    return this.#line(this.#columns.map(({ title }) => title))
  }

  /** A cell that is wider than its column is cut where the table has to fit, and moves what is behind it elsewhere. */
  lines(rows: readonly (readonly string[])[]): readonly string[] {
    return rows.map((row) => this.#line(this.#kept.map((i) => oneLine(row[i] ?? ''))))
  }

  #line(cells: readonly string[]): string {
    return this.#columns
      .map(({ align }, i) => {
        const [cell, width] = [cells[i] ?? '', this.#widths[i] ?? 0]
        const text = this.#isCut ? cut(cell, width) : cell
        return align === 'right' ? text.padStart(width) : text.padEnd(width)
      })
      .join(GAP)
      .trimEnd()
  }
}

/** Names and ids are somebody else's: what would move the cursor, or forge a row, is shown. */
function shown(row: readonly string[]): readonly string[] {
  return row.map(oneLine)
}

function widthsOf(columns: readonly Column[], rows: readonly (readonly string[])[]): number[] {
  return columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
}

interface Cells {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly string[])[]
}

function fewer(columns: readonly Column[], rows: Cells['rows'], width: number): Cells {
  const narrowest = widthsOf(columns, rows).map((wide, i) => (columns[i]?.shrinks ? Math.min(wide, NARROWEST) : wide))
  if (narrowest.reduce((a, b) => a + b, 0) + GAP.length * (columns.length - 1) <= width) return { columns, rows }
  const saysNothing = (i: number) => rows.every((row) => row[i] === NOTHING)
  const may = columns.flatMap(({ gives }, i) => (gives ? [i] : []))
  const least = may.findLast(saysNothing) ?? may.at(-1)
  if (least === undefined) return { columns, rows }
  return fewer(
    columns.filter((_, i) => i !== least),
    rows.map((row) => row.filter((_, i) => i !== least)),
    width,
  )
}

/** The widest gives way first. */
function fit(columns: readonly Column[], widths: number[], room: number): void {
  while (widths.reduce((a, b) => a + b, 0) > room) {
    let widest: number | undefined
    for (const [i, { shrinks }] of columns.entries())
      if (shrinks && (widths[i] ?? 0) > NARROWEST && (widest === undefined || (widths[i] ?? 0) > (widths[widest] ?? 0))) widest = i
    if (widest === undefined) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}

export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

/** What is piped elsewhere is not cut: somebody looks for something in it. */
export function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
}

/** The digits are grouped by hand, because loading Intl takes longer than the rest of a command. */
export function count(n: number | undefined): string {
  return n === undefined ? '-' : String(n).replace(/\B(?=(\d{3})+$)/g, ',')
}
