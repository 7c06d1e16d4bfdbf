import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** An authority of our own, with what it has signed. The files lie in `folder` under `<name>.pem` and `<name>.key`. */
export interface Authority {
  readonly folder: string
  readonly ca: string
  readonly sign: (name: string) => Promise<Certificate>
  readonly remove: () => void
}

const run = promisify(execFile)

/** @throws where there is no openssl. */
export async function authority(): Promise<Authority> {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-certificates-'))
  const file = (name: string) => join(folder, name)
  const key = ['-newkey', 'rsa:2048', '-nodes']
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    '/CN=corebus tests',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  ])
  return {
    folder,
    ca: readFileSync(file('ca.pem'), 'utf8'),
    async sign(name) {
      await run('openssl', ['req', ...key, '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)])
      writeFileSync(file('san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
      const by = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-extfile', file('san')]
      await run('openssl', ['x509', '-req', '-in', file(`${name}.csr`), ...by, '-days', '2', '-out', file(`${name}.pem`)])
      return { cert: readFileSync(file(`${name}.pem`), 'utf8'), key: readFileSync(file(`${name}.key`), 'utf8') }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
