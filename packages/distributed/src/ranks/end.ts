import { isShared, type Ranks } from './ranks.js'

/**
 * Does work on all ranks, none of which may be left behind: an error that only this rank knows of, such as one of the
 * library that joins them up, is told on stderr and ends the whole job at once.
 */
export async function endTogether<T>(ranks: Ranks, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (ranks.size === 1 || isShared(error)) throw error
    const reason = error instanceof Error ? error.message : String(error)
    process.stderr.write(`saddle: rank ${ranks.rank} of ${ranks.size}: ${reason}\n`)
    return ranks.collective.abort(1)
  }
}
