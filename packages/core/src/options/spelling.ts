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
 * One of `known` that is spelt nearly as `name` is: for names that people choose, of which many are alike. What differs in its digits only
 * (`orders.v1`, `orders.v2`) is another one.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const most = Math.min(2, Math.floor(name.length / 4))
  const undigited = (text: string) => text.replace(/\d+/g, '0')
  return known
    .filter((other) => other !== name && undigited(other) !== undigited(name) && Math.abs(other.length - name.length) <= most)
    .map((other) => ({ other, far: edits(name, other) }))
    .filter(({ far }) => far <= most)
    .sort((a, b) => a.far - b.far)[0]?.other
}

// `rabit` is far from rabbitmq, and near its beginning.
function distance(word: string, name: string): number {
  const beginning = word.length < 4 ? Number.POSITIVE_INFINITY : edits(word, name.slice(0, word.length + 1))
  return Math.min(edits(word, name), beginning)
}
