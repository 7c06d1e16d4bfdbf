import { Broker } from '../../src/drivers/memory/broker.ts'
import { Ledger } from './ledger.ts'
import { Member } from './member.ts'
import type { Act, Setting } from './setting.ts'
import { Store } from './store.ts'
import { follow, HistoryClock, orderOf, type Turns } from './turns.ts'

/** One thing that happens. Members are counted among those that are there. */
export type Step =
  /** Ids say by themselves which key they have: a message that comes again has its own. */
  | { readonly do: 'publish'; readonly id: number; readonly acts: readonly Act[] }
  | { readonly do: 'publish in a session'; readonly id: number; readonly commits: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'lose the connection'; readonly member: number }
  | { readonly do: 'kill'; readonly member: number }
  | { readonly do: 'stop'; readonly member: number }
  | { readonly do: 'start' }

const KEYS = ['a', 'b', undefined] as const
const MOST_MEMBERS = 2
/** Turns of time at the end of a history, a second each: longer than all retries and time-outs of its messages. */
const MOST_SECONDS = 300

/** A service, its broker and its database, in which things happen until one of them breaks a promise. */
export class World {
  readonly clock = new HistoryClock()
  readonly ledger: Ledger
  readonly #store: Store
  readonly #members: Member[] = []
  readonly #broker = new Broker()
  readonly #setting: Setting
  readonly #turns: Turns

  constructor(setting: Setting, turns: Turns) {
    this.#setting = setting
    this.#turns = turns
    this.#store = new Store(() => this.ledger)
    this.ledger = new Ledger({ setting, isMarked: (id) => this.#store.marks.has(`g ${id}`), now: this.clock.now })
  }

  get #up(): readonly Member[] {
    return this.#members.filter(({ isUp }) => isUp)
  }

  #member(n: number): Member | undefined {
    return this.#up[n % Math.max(this.#up.length, 1)]
  }

  can(step: Step): boolean {
    if (step.do === 'start') return this.#up.length < MOST_MEMBERS
    if (step.do === 'publish in a session' && (this.#setting.effects === 'plain' || this.ledger.blocks.has(`b${step.id}`))) return false
    return step.do === 'wait' || this.#up.length > 0
  }

  async happens(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish':
        this.#member(0)?.publish(`m${step.id}`, KEYS[step.id % KEYS.length], { acts: step.acts })
        break
      case 'publish in a session':
        this.#member(0)?.block(`b${step.id}`, KEYS[step.id % KEYS.length], { data: { acts: [] }, commits: step.commits })
        break
      case 'wait':
        await this.clock.advance(step.ms)
        break
      case 'lose the connection':
        this.#member(step.member)?.loseConnection()
        break
      case 'kill':
        this.#member(step.member)?.die()
        break
      case 'stop':
        this.#member(step.member)?.stop()
        break
      case 'start':
        await this.start()
    }
    await follow()
  }

  async start(): Promise<void> {
    const { clock, ledger } = this
    const member = new Member({
      name: `member ${this.#members.length}`,
      broker: this.#broker,
      setting: this.#setting,
      turns: this.#turns,
      clock,
      ledger,
      store: this.#store,
    })
    this.#members.push(member)
    await member.start()
    await follow()
  }

  /** The next thing that is under way comes to its end. */
  async turn(): Promise<void> {
    await this.#turns.waitNext(1)
    await follow()
  }

  /** Lets what is under way end, and time pass, until nothing is left. */
  async goOn(): Promise<void> {
    for (let second = 0; second < MOST_SECONDS && this.ledger.faults.length === 0; second++) {
      while (this.#turns.count() > 0) await this.turn()
      if (this.#up.length === 0) await this.start()
      this.#up[0]?.relay()
      if (this.#turns.count() === 0 && this.#isDone) return
      await this.clock.advance(1_000)
    }
  }

  get #isDone(): boolean {
    return (
      this.#store.rows.length === 0 &&
      this.ledger.copies.every(({ state }) => state !== 'waiting') &&
      this.#members.every((one) => one.isUp || one.isOver)
    )
  }

  /** All that is there stops, and nothing happens after that. */
  async end(): Promise<void> {
    for (const member of this.#up) member.stop()
    for (let second = 0; second < 30 && !this.#members.every(({ isOver }) => isOver); second++) {
      await follow()
      while (this.#turns.count() > 0) await this.turn()
      await this.clock.advance(500)
    }
    for (const member of this.#members) if (!member.isOver) this.ledger.fault(`${member.name} does not come to its end`)
  }
}

/** A step, where it makes sense when its turn has come. */
export interface Command {
  /** Returns the text for whoever prints it. */
  toString(): string
  check(world: World): boolean | Promise<boolean>
  run(world: World, same: World): Promise<void>
}

/** A promise was broken, after these steps. */
export class Broken extends Error {
  readonly steps: readonly Step[]
  readonly order: readonly number[]

  constructor(fault: string, { steps, order }: { steps: readonly Step[]; order: readonly number[] }) {
    super(fault)
    this.steps = steps
    this.order = order
  }
}

/** Plays a history to its end, each step when it is its turn. @throws Broken for the first promise that is broken */
export async function play(setting: Setting, turns: Turns, commands: Iterable<Command>): Promise<void> {
  const world = new World(setting, turns)
  const steps: Step[] = []
  await world.start()
  for (const command of commands) {
    // A step that makes no sense when its turn comes is kept too: it has had a turn.
    steps.push(JSON.parse(String(command)))
    let isTurn = false
    void turns.schedule(Promise.resolve(), 'step').then(() => {
      isTurn = true
    })
    while (!isTurn) await world.turn()
    if (await command.check(world)) await command.run(world, world)
    if (world.ledger.faults.length > 0) break
  }
  await world.goOn()
  if (world.ledger.faults.length === 0) for (const what of world.ledger.unfinished()) world.ledger.fault(what)
  await world.end()
  const [fault] = world.ledger.faults
  if (fault !== undefined) throw new Broken(fault, { steps, order: orderOf(turns) })
}
