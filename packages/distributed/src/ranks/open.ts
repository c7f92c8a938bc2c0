import { openCollective } from '../collective/open.js'
import { Ranks } from './ranks.js'

let opened: Promise<Ranks> | undefined

/**
 * The ranks of the job that this process belongs to: those that mpirun or srun started together, or this process
 * alone. Opening again gives the same.
 *
 * Call it before anything else of Saddle where the process may have been started by a launcher, and `close` when all
 * is done: a process that ends without it ends the whole job.
 *
 * @throws SaddleError COLLECTIVE if the launcher and the library that is installed don't belong together.
 */
export function openRanks(): Promise<Ranks> {
  opened ??= openCollective().then(collective => new Ranks(collective))
  return opened
}
