import { Queue } from '../../collections/queue.ts'
import type { Kept, Member } from './member.ts'

/** The messages of one key that are out or held back. While one is out its member owns the lane, and nobody else gets the key. */
export interface Lane {
  readonly key: string
  owner: Member | undefined
  out: number
  /** Read from the group's line, and waiting for the owner to have room: oldest first. Most lanes never need it. */
  parked: Queue<Kept> | undefined
}

export function newLane(key: string): Lane {
  return { key, owner: undefined, out: 0, parked: undefined }
}

export function hasParked(lane: Lane): boolean {
  return lane.parked !== undefined && lane.parked.length > 0
}

export function park(lane: Lane, kept: Kept): void {
  lane.parked ??= new Queue()
  lane.parked.push(kept)
}

/** Handed back: before everything that waits, in the order it was handed out. */
export function parkFirst(lane: Lane, kept: readonly Kept[]): void {
  lane.parked ??= new Queue()
  lane.parked.prepend(kept)
}
