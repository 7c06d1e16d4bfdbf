// `node scripts/docs.ts` fills the code blocks of the documentation from the files they come from; `--check` only looks whether it is needed.
//
//   <!-- include examples/two-apis/events/src/index.ts#user-created -->
//
// above a fenced block names its source: a whole file, or what lies between `// #region user-created` and `// #endregion user-created`.
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, extname, join, relative, resolve } from 'node:path'

/** One thing to put right, where it is. */
export interface Problem {
  readonly line: number
  readonly what: string
}

export interface Page {
  /** The text with every block as its source has it. */
  readonly text: string
  readonly problems: readonly Problem[]
  /** Lines of blocks that differ from their source: writing `text` puts them right. */
  readonly stale: readonly Problem[]
}

const PAGES = ['*.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/**/README.md']
const NOT_OURS = /(^|\/)(node_modules|dist|\.git)(\/|$)/
const INCLUDE = /^(\s*)<!--\s*include\s+([^\s#]+)(?:#(\S+))?\s*-->\s*$/
const FENCE = /^(\s*)(`{3,}|~{3,})\s*(\S*)/
const MARK = /^\s*(?:\/\/|#|--|\/\*)\s*#(region|endregion)\s+([\w.-]+)/
/** Nothing can run a command line beside its page, so it may be typed in. */
const TYPED_IN = new Set(['sh'])
const LANGUAGES: Readonly<Record<string, string>> = { '.mts': 'ts', '.mjs': 'js', '.txt': 'text' }

const COMMAND = 'node scripts/docs.ts'

/** The page as it should be. `read` gives a file of the repository, or undefined when there is none. */
export function filled(page: string, read: (path: string) => string | undefined): Page {
  const lines = page.split('\n')
  const out: string[] = []
  const problems: Problem[] = []
  const stale: Problem[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string
    const fence = FENCE.exec(line)
    if (fence) {
      const end = endOfBlock(lines, i)
      if (!TYPED_IN.has(fence[3] ?? '')) problems.push({ line: i + 1, what: typedIn(fence[3] ?? '') })
      out.push(...lines.slice(i, end + 1))
      i = end
      continue
    }
    out.push(line)
    const include = INCLUDE.exec(line)
    if (!include) continue
    const [, indent = '', path = '', region] = include
    const start = nextBlock(lines, i + 1)
    const end = start === undefined ? i : endOfBlock(lines, start)
    const source = sourceOf(path, region, read)
    if (typeof source === 'string') {
      problems.push({ line: i + 1, what: source })
      out.push(...lines.slice(i + 1, end + 1))
    } else {
      const language = LANGUAGES[extname(path)] ?? extname(path).slice(1)
      const before = lines.slice(i + 1, end + 1)
      const block = [`\`\`\`${language}`, ...source, '```'].map((text) => (text === '' ? '' : indent + text))
      if (before.filter((text, n) => n > 0 || text !== '').join('\n') !== block.join('\n')) {
        const name = region === undefined ? path : `${path}#${region}`
        stale.push({ line: i + 2, what: `the block is not what ${name} says: run ${COMMAND}` })
      }
      out.push(...block)
    }
    i = end
  }
  return { text: out.join('\n'), problems, stale }
}

function typedIn(language: string): string {
  const what = language === '' ? 'a block without a language' : `a typed-in ${language} block`
  return `${what}: put it into a tested file and include it (<!-- include path#region -->); only sh may be typed in`
}

/** The fence below an include line, with at most blank lines between. */
function nextBlock(lines: readonly string[], from: number): number | undefined {
  let i = from
  while (lines[i]?.trim() === '') i++
  return FENCE.test(lines[i] ?? '') ? i : undefined
}

function endOfBlock(lines: readonly string[], start: number): number {
  const [, , ticks = ''] = FENCE.exec(lines[start] as string) ?? []
  const end = lines.findIndex((line, i) => i > start && line.trim() === ticks)
  return end < 0 ? lines.length - 1 : end
}

/** Lines, or what is wrong, in words. */
function sourceOf(path: string, region: string | undefined, read: (path: string) => string | undefined): readonly string[] | string {
  const text = read(path)
  if (text === undefined) return `there is no file ${path}`
  const lines = text.replace(/\n$/, '').split('\n')
  if (region === undefined) return withoutMarks(lines)
  const marks = lines.flatMap((line, at) => {
    const [, kind, name] = MARK.exec(line) ?? []
    return name === region ? [{ kind, at }] : []
  })
  const [start, end, more] = marks
  if (!start) return `${path} has no region ${region}: mark it with // #region ${region} and // #endregion ${region}`
  if (start.kind !== 'region' || end?.kind !== 'endregion' || more)
    return `${path} must open and close region ${region} once: // #region ${region} ... // #endregion ${region}`
  return dedented(withoutMarks(lines.slice(start.at + 1, end.at)))
}

const withoutMarks = (lines: readonly string[]) => lines.filter((line) => !MARK.test(line))

function dedented(lines: readonly string[]): readonly string[] {
  const depth = Math.min(...lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)))
  return lines.map((line) => line.slice(Number.isFinite(depth) ? depth : 0))
}

/** Relative links that lead nowhere. `read` gives a file, '' for a folder or for one that is no page, undefined when there is none. */
export function brokenLinks(page: string, read: (path: string) => string | undefined): readonly Problem[] {
  const problems: Problem[] = []
  let fence: string | undefined
  page.split('\n').forEach((line, i) => {
    const ticks = FENCE.exec(line)?.[2]
    if (ticks !== undefined && (fence === undefined || line.trim() === fence)) fence = fence === undefined ? ticks : undefined
    if (fence !== undefined) return
    for (const [, link = ''] of line.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/i.test(link)) continue
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : read(path)
      if (target === undefined) problems.push({ line: i + 1, what: `the link ${link} leads to no file` })
      else if (anchor !== undefined && !anchorsOf(target).has(anchor))
        problems.push({ line: i + 1, what: `the link ${link} leads to no heading of that page` })
    }
  })
  return problems
}

/** As GitHub makes them. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...page.matchAll(/^#{1,6}\s+(.+)$/gm)].map(([, text = '']) => text)
  return new Set(
    headings.map((text) =>
      text
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  )
}

function main(args: readonly string[]): number {
  const check = args.includes('--check')
  const root = resolve(args.find((arg) => !arg.startsWith('--')) ?? join(import.meta.dirname, '..'))
  const pages = globSync(PAGES, { cwd: root, exclude: (name) => NOT_OURS.test(name) }).filter((page) => !NOT_OURS.test(page))
  const lines: string[] = []
  for (const page of pages.sort()) {
    const path = join(root, page)
    const before = readFileSync(path, 'utf8')
    const { text, problems, stale } = filled(before, (file) => textOf(join(root, file)))
    const links = brokenLinks(text, (link) => {
      const target = join(dirname(path), link)
      return existsSync(target) && statSync(target).isDirectory() ? '' : textOf(target)
    })
    const left = [...problems, ...links, ...(check ? stale : [])].sort((a, b) => a.line - b.line)
    lines.push(...left.map(({ line, what }) => `${page}:${line} ${what}`))
    if (check || text === before) continue
    writeFileSync(path, text)
    process.stdout.write(`${relative(process.cwd(), path)}: ${stale.length} blocks written\n`)
  }
  if (lines.length === 0) {
    process.stdout.write(`${pages.length} pages: blocks and links are right\n`)
    return 0
  }
  process.stderr.write(`${lines.join('\n')}\n${lines.length} problems\n`)
  return 1
}

function textOf(path: string): string | undefined {
  return existsSync(path) && statSync(path).isFile() ? readFileSync(path, 'utf8') : undefined
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
