import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import type { Line } from '../../two-apis/demo/child.ts'
import type { Timeline } from '../../two-apis/demo/timeline.ts'
import { serviceNameOf } from './service-process.ts'

/** The lines of services: tidy ones on the terminal, and all of them, as they were said, in a file for each service. */
export interface ServiceLogs {
  line(line: Line): void
  /** Resolves when the files hold what was said. */
  close(): Promise<void>
}

// As requestLine of the platform writes it. Probes are asked for every few seconds.
const REQUEST = /^[A-Z]+ (?!\/(?:livez|readyz) )\S+ \d{3} in \d+ ms$/

/** Files begin anew with every start: what is of interest is the run that goes wrong. */
export function serviceLogs(folder: string, services: readonly string[], { tell, line: show }: Timeline): ServiceLogs {
  mkdirSync(folder, { recursive: true })
  const files = new Map<string, WriteStream>(services.map((name) => [name, createWriteStream(join(folder, `${name}.log`))]))
  return {
    line(line) {
      const service = serviceNameOf(line.from)
      files.get(service)?.write(`${line.text}\n`)
      if (line.log && REQUEST.test(line.log.text)) tell(service, 'answered', line.log.text)
      else show(line)
    },
    close: async () => {
      await Promise.all([...files.values()].map((file) => new Promise<void>((resolve) => file.end(resolve))))
    },
  }
}
