/**
 * A URL fit for logs and errors: the user stays, the password, the query and the fragment become ***.
 * Never throws, and rather hides too much where the text is no proper URL.
 */
export function redactUrl(url: string): string {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)?(.*)$/is.exec(url.trim()) ?? []
  const end = rest.search(/[/?#\\]/)
  const authority = end < 0 ? rest : rest.slice(0, end)
  const tail = end < 0 ? '' : rest.slice(end)
  // An @ after the first / ? # may be the end of a password that should have been percent-encoded.
  if (tail.includes('@')) return `${scheme}***`
  return scheme + userOf(authority) + hostsOf(authority.slice(authority.lastIndexOf('@') + 1)) + tail.replace(/[?#].*$/s, '?***')
}

function userOf(authority: string): string {
  const at = authority.lastIndexOf('@')
  if (at < 0) return ''
  const [user = '', ...password] = authority.slice(0, at).split(':')
  return password.length > 0 ? `${user}:***@` : `${user}@`
}

// `user:password` without a host looks like host and port: what is no number behind the colon is hidden.
function hostsOf(hosts: string): string {
  return hosts
    .split(',')
    .map((host) => (/^(\[[^\]]*\]|[^:]*)(:\d{0,5})?$/.test(host) ? host : `${host.split(':')[0]}:***`))
    .join(',')
}

const NAMES =
  'pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?|authorization|cookie|session[-_]?id'
/** What looks like a secret, by its shape, and what is left of it. */
const SHAPES: readonly (readonly [shape: RegExp, left: string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, '***'],
  // To the last @ of the word: a password may have one that should have been percent-encoded.
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/@"'`<>]{0,200}):[^\s"'`<>]{0,500}@/gi, '$1:***@'],
  [/\b(Bearer|Basic|Digest|Negotiate)\s+[\w.~+/=-]{6,}/gi, '$1 ***'],
  // JSON web tokens, and keys of well-known services, which begin with what they are.
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, '***'],
  [
    /\b(?:(?:sk|pk|rk)_(?:live|test)_\w{8,}|sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abeprs]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16})\b/g,
    '***',
  ],
  // name=value, name: value, "name":"value", and the same inside of text that is quoted once more.
  [
    new RegExp(`([\\w-]{0,30}(?:${NAMES}))(\\\\?["']?\\s{0,5}[:=]\\s{0,5})(\\\\?["'])((?:(?!\\3)[^\\r\\n])*)(?:\\3|$)`, 'gi'),
    '$1$2$3***$3',
  ],
  [
    new RegExp(
      `([\\w-]{0,30}(?:${NAMES}))(\\\\?["']?\\s{0,5}[:=]\\s{0,5})(?!\\\\?["']|(?:yes|no|true|false|null|undefined)\\b)[^\\s"',;&)}\\]]+`,
      'gi',
    ),
    '$1$2***',
  ],
]

/** A text for logs: what looks like a password, a token or a key in it becomes ***. It is read once for each shape, and never throws. */
export function redactText(text: string): string {
  let left = text
  for (const [shape, replacement] of SHAPES) left = left.replace(shape, replacement)
  return left
}
