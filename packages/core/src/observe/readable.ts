// Control characters but the tab and the line feed, marks that turn the direction of what follows, and separators that some take for new lines.
const UNSEEN = /(?![\t\n])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\ufeff]/gu
const BREAKS = /[\t\n]/g
const SHORT: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\u001b': '\\x1b' }

/** A text as a terminal may have it: what would move its cursor, colour it or forge a line is shown and does nothing. Line feeds stay. */
export function visible(text: string): string {
  return text.replace(UNSEEN, shown)
}

/** The same in one line. */
export function oneLine(text: string): string {
  return visible(text).replace(BREAKS, shown)
}

function shown(char: string): string {
  const code = char.charCodeAt(0)
  return SHORT[char] ?? (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`)
}

/** At most so many characters; what is left out is counted. */
export function bounded(text: string, most: number): string {
  if (text.length <= most) return text
  return `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}… (${text.length - most} more)`
}
