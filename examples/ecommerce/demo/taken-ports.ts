import { createServer } from 'node:net'

/** Says whether somebody listens on a port of this machine already. */
export async function isTaken(port: number, host: string): Promise<boolean> {
  const server = createServer()
  const listening = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, host, () => resolve(true))
  })
  if (!(await listening)) return true
  await new Promise((resolve) => server.close(resolve))
  return false
}
