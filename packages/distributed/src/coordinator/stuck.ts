import type { Session } from './session.js'

/** Milliseconds between two looks. */
const EVERY = 500

/** How much longer ranks may wait for each other's disks. */
const SAVING = 10

/**
 * Ends the job if this rank was asked to stop and then waits for others in vain for `compute.grace` seconds, or ten
 * times that while a checkpoint is written: a rank that is stuck in a collective reaches no step boundary. What counts
 * then is the last checkpoint.
 */
export function watchStuck(session: Session): Disposable {
  const { ranks, config, logger } = session.parts
  const { collective } = ranks
  let asked: number | null = null
  const look = () => {
    if (!session.asked) return
    asked ??= performance.now()
    const { waitingSince } = collective
    const patience = config.compute.grace * (session.saving ? SAVING : 1)
    if (waitingSince === null) return
    if (performance.now() - Math.max(asked, waitingSince) < 1000 * patience) return
    const message =
      `rank ${ranks.rank} of ${ranks.size} was asked to stop and has waited ${patience} s for the others: ` +
      'the job ends without another checkpoint'
    logger.error(message)
    process.stderr.write(`saddle: ${message}\n`)
    collective.abort(1)
  }
  const timer = ranks.size > 1 ? setInterval(look, EVERY).unref() : undefined
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
