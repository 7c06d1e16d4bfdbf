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
