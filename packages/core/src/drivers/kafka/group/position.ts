/**
 * What a group knows of one partition beside its offset, kept in the metadata of the commit: what is done beyond that offset, and how often
 * what is not done was handed out before. One token for each run, from the committed offset on: how many (none means one) and what.
 */
export type Mark = 'done' | number

/** What the broker takes is 4,096 bytes unless told otherwise. */
export const MOST_NOTE_CHARS = 3_600

const VERSION = 'c1:'
const DONE = 'D'
const NEVER = 'N'
const MOST_COUNTED = 26

export function encodeNote(marks: Iterable<Mark>): string {
  let note = VERSION
  let last = ''
  let length = 0
  const flush = () => {
    if (length > 0) note += length === 1 ? last : `${length}${last}`
  }
  for (const mark of marks) {
    const kind = kindOf(mark)
    if (kind === last) length++
    else {
      flush()
      last = kind
      length = 1
    }
  }
  // What is not there was never handed out.
  if (last !== NEVER) flush()
  return note === VERSION ? '' : note
}

function kindOf(mark: Mark): string {
  if (mark === 'done') return DONE
  return mark === 0 ? NEVER : String.fromCharCode(96 + Math.min(mark, MOST_COUNTED))
}

/** By distance from the committed offset. What somebody else wrote says nothing to us. */
export function decodeNote(note: string): readonly Mark[] {
  if (!note.startsWith(VERSION)) return []
  const marks: Mark[] = []
  for (const [, count, kind = NEVER] of note.slice(VERSION.length).matchAll(/(\d*)([a-zDN])/g))
    for (let n = Number(count === '' ? 1 : count); n > 0; n--)
      marks.push(kind === DONE ? 'done' : kind === NEVER ? 0 : kind.charCodeAt(0) - 96)
  return marks
}
