import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Life } from './history.ts'
import type { LoadedChange } from './mutation.ts'
import { type Command, monotonicMs, type Orders, pause, type Role, type Said } from './protocol.ts'

/** A place in the company, whoever fills it now. */
export interface Slot {
  readonly role: Role
  readonly n: number
  lives: number
  name: string
  child: ChildProcess
  said: Said[]
  /** It was told to close: whoever ends is not replaced. */
  leaving: boolean
  /** It stands still for a while. */
  frozen: boolean
}

interface Entry {
  readonly role: Role
  readonly name: string
  readonly said: readonly Said[]
  readonly child: ChildProcess
  end: Life['end']
}

export interface CompanyOptions {
  readonly orders: (name: string, role: Role, life: number) => Orders
  readonly changes: readonly LoadedChange[]
  /** The processes that run from the changed source. */
  readonly changed: Role | undefined
}

const LOOK_EVERY_MS = 10
const HAPPENS_WITHIN_MS = 90_000
const ENDS_WITHIN_MS = 60_000
/** One that cannot even start is not started for ever. */
const MOST_EARLY_ENDS = 40
const RESTARTS_AFTER_MS = 100
const LOG_CHARACTERS = 4_000

/** The processes of a run and their supervisor: whoever dies is started again. */
export class Company {
  readonly slots: Slot[] = []
  readonly #options: CompanyOptions
  readonly #entries: Entry[] = []
  #over = false
  #earlyEnds = 0
  #said = 0
  #handled = 0
  #committed = 0

  constructor(options: CompanyOptions) {
    this.#options = options
  }

  get said(): number {
    return this.#said
  }

  get handled(): number {
    return this.#handled
  }

  get committed(): number {
    return this.#committed
  }

  of(role: Role): readonly Slot[] {
    return this.slots.filter((slot) => slot.role === role)
  }

  /** Starts so many, and resolves when all are ready. */
  async hire(role: Role, many: number): Promise<void> {
    const before = this.of(role).length
    for (let n = before + 1; n <= before + many; n++) {
      const slot: Slot = { role, n, lives: 0, name: '', child: undefined as never, said: [], leaving: false, frozen: false }
      this.#fill(slot)
      this.slots.push(slot)
    }
    await this.until(`${role}s are ready`, () => this.of(role).slice(before).every(isReady))
    const { changes, changed } = this.#options
    if (role !== changed) return
    for (const { said } of this.of(role))
      for (const { find } of changes)
        if (!said.some((one) => one.kind === 'mutated' && one.find === find))
          throw new Error(`"${find}" was never loaded: it changes nothing`)
  }

  tell({ child }: Slot, command: Command): void {
    child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  /** kill -9, and waits for its end. */
  async kill({ child }: Slot): Promise<void> {
    await end(child)
  }

  /** Resolves when each is done with what it had begun. Who is not in time never ends, in the ledger. */
  async close(role: Role): Promise<void> {
    const slots = this.of(role).filter(({ leaving }) => !leaving)
    for (const slot of slots) {
      slot.leaving = true
      this.tell(slot, { do: 'close' })
    }
    const deadline = performance.now() + ENDS_WITHIN_MS
    while (slots.some(({ child }) => isRunning(child)) && performance.now() < deadline) await pause(LOOK_EVERY_MS)
    // What its last words were is read a little later.
    await Promise.race([Promise.all(slots.map(({ child }) => closed.get(child))), pause(Math.max(0, deadline - performance.now()))])
  }

  /** @throws Error that tells what it waited for, when that takes too long or a process cannot start */
  async until(what: string, happened: () => boolean, withinMs = HAPPENS_WITHIN_MS): Promise<void> {
    const deadline = performance.now() + withinMs
    while (!happened()) {
      if (this.#earlyEnds > MOST_EARLY_ENDS) throw new Error(`processes do not start: ${this.#troubles()}`)
      if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}; ${this.#troubles()}`)
      await pause(LOOK_EVERY_MS)
    }
  }

  /** Everybody that ever was, and what they said. */
  lives(): readonly Life[] {
    return this.#entries.map(({ role, name, said, end }) => ({ role, name, said, end }))
  }

  /** Ends whoever still runs. */
  async leave(): Promise<void> {
    this.#over = true
    await Promise.all(this.#entries.map(({ child }) => end(child)))
  }

  #troubles(): string {
    const lives = this.slots.map(({ name, said }) => `${name}: ${JSON.stringify(said.at(-1))}`)
    const ends = this.#entries.filter(({ end }) => end?.how === 'failed').slice(-3)
    return [...lives, ...ends.map(({ name, end }) => `${name} ended: ${end?.trouble.slice(-1_000)}`)].join('\n')
  }

  #fill(slot: Slot): void {
    const { orders, changes, changed } = this.#options
    slot.lives++
    slot.name = `${slot.role} ${slot.n}.${slot.lives}`
    slot.said = []
    slot.frozen = false
    const { role, name, said } = slot
    const child = started(role, orders(name, role, slot.lives), role === changed ? changes : [])
    slot.child = child
    const entry: Entry = { role, name, said, child, end: undefined }
    this.#entries.push(entry)
    let stderr = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr = `${stderr}${chunk}`.slice(-LOG_CHARACTERS)
    })
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line, said))
    child.once('close', (code: number | null) => {
      const how = code === null ? 'killed' : code === 0 && said.at(-1)?.kind === 'closed' ? 'closed' : 'failed'
      entry.end = { at: monotonicMs(), how, trouble: stderr }
      if (how === 'failed' && !said.some(({ kind }) => kind === 'ready')) this.#earlyEnds++
      setTimeout(() => {
        if (!slot.leaving && !this.#over) this.#fill(slot)
      }, RESTARTS_AFTER_MS)
    })
  }

  #hear(line: string, said: Said[]): void {
    if (!line.startsWith('@')) return
    const one: Said = JSON.parse(line.slice(1))
    said.push(one)
    this.#said++
    if (one.kind === 'handled') this.#handled++
    if (one.kind === 'committed') this.#committed += one.tokens.length
  }
}

const isReady = ({ said }: Slot): boolean => said.some(({ kind }) => kind === 'ready')
const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null
const closed = new WeakMap<ChildProcess, Promise<unknown>>()

async function end(child: ChildProcess): Promise<void> {
  if (isRunning(child)) child.kill('SIGKILL')
  await closed.get(child)
}

function started(role: Role, orders: Orders, changes: readonly LoadedChange[]): ChildProcess {
  // A test runner's own flags (loaders, coverage) are not for plain node.
  const { NODE_OPTIONS: _, ...env } = process.env
  const changed = changes.length > 0 ? ['--import', join(import.meta.dirname, 'mutated.ts')] : []
  const child = spawn(process.execPath, [...changed, join(import.meta.dirname, `${role}.ts`), JSON.stringify(orders)], {
    env: { ...env, ...(changes.length > 0 && { COREBUS_MUTATION: JSON.stringify(changes) }) },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // It may be gone when it is told something.
  child.stdin.on('error', () => {})
  closed.set(child, once(child, 'close'))
  return child
}
