import { openCollective } from '../collective/open.js'
import { Ranks } from './ranks.js'

/** A process joins one job of several, once. */
let joined: Ranks | undefined

/**
 * The ranks of the job that this process belongs to: those that mpirun or srun started together, which opening again
 * gives again; or this process alone, which is a job of its own every time.
 *
 * Call it before anything else of Saddle where the process may have been started by a launcher, and `close` when all
 * is done: a process that ends without it ends the whole job.
 *
 * @throws SaddleError COLLECTIVE if the launcher and the library that is installed don't belong together.
 */
export async function openRanks(): Promise<Ranks> {
  if (joined !== undefined) return joined
  const ranks = new Ranks(await openCollective())
  if (ranks.collective.kind === 'solo') return ranks
  joined ??= ranks
  return joined
}
