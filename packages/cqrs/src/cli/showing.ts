const SHOWN_EVERY_MS = 500

/** A line that is written over on a terminal, and nothing elsewhere. */
export function showing(): { at(what: string): void; end(): void } {
  const { stderr } = process
  if (!stderr.isTTY) return { at: () => {}, end: () => {} }
  let shownAt = 0
  let length = 0
  return {
    at(what) {
      const now = performance.now()
      if (now - shownAt < SHOWN_EVERY_MS) return
      shownAt = now
      stderr.write(`\r${what.padEnd(length)}`)
      length = what.length
    },
    end: () => void (length > 0 && stderr.write(`\r${' '.repeat(length)}\r`)),
  }
}

const BAR = 20

/** `[##########----------] 50 %`; nothing where the whole is not known. */
export function bar(done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return ''
  const part = Math.min(done / total, 1)
  const full = Math.round(part * BAR)
  return `[${'#'.repeat(full)}${'-'.repeat(BAR - full)}] ${Math.floor(part * 100)} % `
}
