import { HEADER } from '../../../wire/headers.ts'
import { LONGEST_RETRY_MS } from '../notes.ts'
import type { Room } from '../room.ts'
import { quiet } from '../wait.ts'
import { Company } from './company.ts'
import { deckOf, Faults, shuffled } from './faults.ts'
import type { Doubts, History } from './history.ts'
import { type ChaosOptions, changesOf } from './mutation.ts'
import { randomOf } from './random.ts'
export const PLENTY: Omit<ChaosOptions, 'seed' | 'mutation'> = {
  forMs: 60_000,
  leastConfirmed: 200,
  firstConfirmed: 0,
  mix: { failing: 10, hopeless: 2, slow: 1, killing: 0 },
  deck: { killMember: 6, killProducer: 2, stopMember: 2, stopMemberLong: 1, freeze: 1, refuse: 1, cut: 1, restart: 1, kill: 1 },
  // Mostly while a copy is stored.
  moments: ['called', 'threw', 'threw', 'done'],
  pauseMs: 50,
  topics: 1,
}

const NO_DOUBTS: Doubts = {
  unheardMs: 0,
  losesWith: undefined,
  answersSettlements: false,
  sendsAhead: false,
  membersBringBack: false,
  movesForMs: 0,
  silenceMs: Number.POSITIVE_INFINITY,
}

const PRODUCERS = 4
const MEMBERS = 3
const BREATHER_MS = 100
const MOST_BREATHER_MS = 400
/** Nothing has happened for longer than a retry waits: nothing more comes. */
const CALM_MS = LONGEST_RETRY_MS + 700
/** Everybody is there and nothing has happened for so long: nothing will. */
const HOPELESS_MS = 10_000

/** Four producers and three members work while things go wrong; then calm, until nothing is left to do. */
export async function chaos(
  room: Room,
  { seed, forMs, leastConfirmed, firstConfirmed, mix, deck, moments, pauseMs, topics: count, mutation }: ChaosOptions,
): Promise<History> {
  const topics = Array.from({ length: count }, () => room.topic())
  const doubts: Doubts = { ...NO_DOUBTS, ...room.target.chaos }
  const changes = mutation ? changesOf(mutation) : []
  const random = randomOf(seed)
  const below = (n: number) => Math.floor(random() * n)
  const company = new Company(room, { topics, producers: PRODUCERS, members: MEMBERS, seed, mix, pauseMs, changes })
  await company.open()
  await company.until(() => company.progress.confirmed >= firstConfirmed)

  const faults = new Faults({ room, company, doubts, moments, below })
  const kinds = deckOf(deck, room, doubts)
  const end = performance.now() + forMs
  let dealt = shuffled(kinds, below)
  while (performance.now() < end || faults.caused < kinds.length || company.progress.confirmed < leastConfirmed) {
    const before = company.progress.settled
    await quiet(BREATHER_MS + below(MOST_BREATHER_MS))
    // A fault proves nothing while nothing goes on.
    await company.until(() => company.progress.settled > before)
    const kind = dealt.pop()
    if (kind) await faults.cause(kind)
    if (dealt.length === 0) dealt = shuffled(kinds, below)
  }
  await faults.over()

  await company.close(company.producers)
  const { admin } = await room.connect()
  // A member whose line was cut has messages until the broker gives it up.
  const hopelessMs = HOPELESS_MS + ('cut' in deck && Number.isFinite(doubts.silenceMs) ? 3 * doubts.silenceMs : 0)
  const waiting = async () => (await Promise.all(topics.map((topic) => admin.depth(topic, 'g')))).reduce((sum, { ready }) => sum + ready, 0)
  await calm(company, hopelessMs, async () => (await waiting()) === 0)
  const left = await waiting()
  await company.close(company.members)
  const found = (await Promise.all(topics.map((topic) => admin.deadLetters({ topic }).then(({ letters }) => letters)))).flat()
  const letters = found.map(({ message: { id, headers } }) => ({
    id,
    reason: headers[HEADER.reason],
    attempt: Number(headers[HEADER.attempt]),
  }))
  return { lives: company.lives(), faults: faults.done, letters, left, doubts }
}

/** All that was confirmed has come to its end and nothing has happened for a while; or nothing has happened for so long that nothing will. */
async function calm(company: Company, hopelessMs: number, isEmpty: () => Promise<boolean>): Promise<void> {
  const { progress } = company
  let heard = 0
  let since = performance.now()
  for (;;) {
    await quiet()
    if (progress.notes !== heard || !company.isComplete) since = performance.now()
    heard = progress.notes
    const quietMs = performance.now() - since
    if (quietMs > hopelessMs) return
    if (quietMs > CALM_MS && progress.waiting === 0 && (await isEmpty())) return
  }
}
