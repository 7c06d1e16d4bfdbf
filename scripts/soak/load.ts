import { spawn } from 'node:child_process'

/** How often longer the tests may wait meanwhile (COREBUS_PATIENCE). The limits that a single test states for itself stay as they are. */
export const PATIENCE = 4
const PROCESSES = 4

/** Processes that do nothing but take the processor, until the function that is returned ends them. They end with this process too. */
export function busy(): () => void {
  // Each looks at its input between two turns: it is closed when this process is gone, however it went.
  const turn =
    "process.stdin.on('end', () => process.exit()).resume(); const turn = () => { for (const end = Date.now() + 50; Date.now() < end; ); setImmediate(turn) }; turn()"
  const children = Array.from({ length: PROCESSES }, () => spawn(process.execPath, ['-e', turn], { stdio: ['pipe', 'ignore', 'inherit'] }))
  return () => {
    for (const child of children) child.kill()
  }
}
