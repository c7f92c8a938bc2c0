import { fromWire, SaddleError } from '@saddle/core'
import { open } from '../team/barrier.js'
import { breakUp, isBrokenUp, type Team, WORD } from '../team/team.js'
import { type Outcome, type Ranks, settle } from './ranks.js'

/** A task of this rank's team, as the pool does it. */
export interface TeamWork<T> {
  /** One attempt, to its end: nobody is left at work when it returns or throws. */
  attempt(): Promise<T>
  /** When the team's members may have come to a round that other ranks wait in too. */
  arrived(): Promise<void>
  /** Whether this rank is asked to stop. */
  stopAsked(): boolean
  /** Tells of an attempt that failed here; throws what it comes to if there shall be no other. */
  lost(error: unknown): void
}

/** What came of a rank's team: a round or the end; its members are to begin anew; or the run is over. */
const LEVEL = { well: 0, again: 1, over: 2 } as const

/** Length of the sum of a team that is through. */
const DONE = -1

/**
 * Carries out a task whose sums go over all ranks: each rank's team computes its own neurons' part of every pass, and
 * in every round of the teams' barriers the ranks
 *
 *   agree    one all-reduce of four words: whether a team has to begin anew, whether to stop, and how long the sum is
 *   gather   what each has to give of the sum, nodes · length numbers of float32
 *
 * so that all begin, stop and end at the same pass. A member that is lost on one rank sends all teams back to the start
 * of the task: everything written is overwritten with the same bits.
 *
 * @throws what ended the task on this rank; STOPPED if a rank was asked to stop, or another rank's team failed for good.
 */
export async function relayed<T>(ranks: Ranks, team: Team, work: TeamWork<T>): Promise<T> {
  for (;;) {
    const members = settle(() => work.attempt())
    try {
      const ended = await rounds(ranks, team, work, members)
      if (ended !== null) return ended.value as T
    } finally {
      breakUp(team)
      await members
    }
  }
}

/** What the members of a team came to, once they have. */
type Members<T> = Promise<{ readonly value?: T; readonly error?: unknown }>

/** Round after round, to the end; null if all are to begin anew. */
async function rounds<T>(
  { collective }: Ranks,
  team: Team,
  work: TeamWork<T>,
  members: Members<T>,
): Promise<{ readonly value?: T } | null> {
  const { words, gathered, nodes } = team
  const counts = nodes.map(own => own.length)
  const total = counts.reduce((a, b) => a + b, 0)
  for (let seen = 0; ; ) {
    const ended = await nextOf(members, words, seen, work)
    seen = Atomics.load(words, WORD.waiting)
    const verdict = ended === null ? { level: LEVEL.well } : judge(ended, work)
    const length = ended === null ? Atomics.load(words, WORD.length) : DONE
    const word = Int32Array.of(verdict.level, Number(work.stopAsked()), length, -length)
    await collective.allreduceMax(word)
    const [level, stops, longest, shortest] = word
    if (level === LEVEL.over) throw verdict.error ?? left('The team of another rank failed.')
    if (level === LEVEL.again) return null
    if (longest !== -shortest!) throw notTogether(length, [-shortest!, longest!])
    if (ended !== null) return ended
    if (stops === 1) {
      open(words, true)
      throw left('A rank was asked to stop.')
    }
    await collective.allgatherv(
      gathered.subarray(0, total * length),
      counts.map(count => count * length),
    )
    open(words, false)
  }
}

/** How the members ended; null if they have come to another round. */
async function nextOf<T>(
  members: Members<T>,
  words: Team['words'],
  seen: number,
  work: TeamWork<T>,
): Promise<Awaited<Members<T>> | null> {
  for (;;) {
    if (Atomics.load(words, WORD.waiting) !== seen) return null
    const ended = await Promise.race([members, work.arrived()])
    if (ended !== undefined) return ended
  }
}

function judge({ error }: Outcome, work: TeamWork<unknown>): { level: number; error?: unknown } {
  if (error === undefined) return { level: LEVEL.well }
  if (isBrokenUp(fromWire(error))) return { level: LEVEL.again }
  try {
    work.lost(error)
    return { level: LEVEL.again }
  } catch (final) {
    return { level: LEVEL.over, error: final }
  }
}

function left(message: string): SaddleError {
  return new SaddleError('STOPPED', message)
}

function notTogether(length: number, lengths: readonly [number, number]): SaddleError {
  return new SaddleError(
    'COLLECTIVE',
    `The teams of the ranks are at different passes: this one's sum has ${length} numbers, others' ${lengths.join(' to ')} ` +
      '(−1: through). The ranks do not run the same program.',
    { length, lengths },
  )
}
