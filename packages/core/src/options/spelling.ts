/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
export function edits(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let fewest = Math.min(at(row, j) + 1, at(next, j - 1) + 1, at(row, j - 1) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) fewest = Math.min(fewest, at(before, j - 2) + 1)
      next.push(fewest)
    }
    before = row
    row = next
  }
  return at(row, b.length)
}

const at = (row: readonly number[], j: number): number => row[j] ?? 0

/** ` Did you mean x?` when one of `known` is close to `word`, else nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, '')
  const close = known
    .map((name) => ({ name, far: distance(plain(word), plain(name)) }))
    .filter(({ name, far }) => far <= 2 && far < name.length / 2)
    .sort((a, b) => a.far - b.far)
  return close[0] ? ` Did you mean ${close[0].name}?` : ''
}

/**
 * One of `known` that is probably meant by `name`: for names that people choose, of which many are alike. A word too much or too few letters in is a
 * slip (`usr.created`); another short word is another name (`orders-eu`, `orders-us`; `tenant-a`, `tenant-b`; `orders.v1`, `orders.v2`).
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  return known
    .filter((other) => other !== name && Math.abs(other.length - name.length) <= MOST_SLIPS)
    .map((other) => ({ other, far: slips(name, other) }))
    .filter(({ far }) => far <= MOST_SLIPS)
    .sort((a, b) => a.far - b.far)[0]?.other
}

const MOST_SLIPS = 2
/** A letter for another one makes a slip of a long word, and another word of a short one (`orders.read`, `orders.dead`). */
const LONG_WORD = 6
const SHORT_WORD = 3

function slips(name: string, other: string): number {
  const [words, others] = [name, other].map((text) => text.split(/[._-]/)) as [string[], string[]]
  if (words.length !== others.length) return words.join('') === others.join('') ? 1 : Number.POSITIVE_INFINITY
  return words.reduce((sum, word, i) => sum + slipsIn(word, others[i] as string), 0)
}

function slipsIn(word: string, other: string): number {
  if (word === other) return 0
  const longest = Math.max(word.length, other.length)
  if (longest <= SHORT_WORD || word.replace(/\d+/g, '0') === other.replace(/\d+/g, '0')) return Number.POSITIVE_INFINITY
  const sorted = (text: string) => [...text].sort().join('')
  const isAnotherLetter = word.length === other.length && sorted(word) !== sorted(other)
  return isAnotherLetter && longest < LONG_WORD ? Number.POSITIVE_INFINITY : edits(word, other)
}

// `rabit` is far from rabbitmq, and near its beginning.
function distance(word: string, name: string): number {
  const beginning = word.length < 4 ? Number.POSITIVE_INFINITY : edits(word, name.slice(0, word.length + 1))
  return Math.min(edits(word, name), beginning)
}
