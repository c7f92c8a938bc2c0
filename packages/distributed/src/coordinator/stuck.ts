import type { Session } from './session.js'

/** Milliseconds between two looks. */
const EVERY = 500

/**
 * Ends the job if this rank was asked to stop and then waits for others in vain for `compute.grace` seconds: a rank that
 * is stuck in a collective reaches no step boundary. What counts then is the last checkpoint.
 */
export function watchStuck(session: Session): Disposable {
  const { ranks, config, logger } = session.parts
  const { collective } = ranks
  const patience = 1000 * config.compute.grace
  let asked: number | null = null
  const look = () => {
    if (!session.asked || session.stopped) return
    asked ??= performance.now()
    const { waitingSince } = collective
    if (waitingSince === null || session.saving) return
    if (performance.now() - Math.max(asked, waitingSince) < patience) return
    const message =
      `rank ${ranks.rank} of ${ranks.size} was asked to stop and has waited ${config.compute.grace} s for the others: ` +
      'the job ends without another checkpoint'
    logger.error(message)
    process.stderr.write(`saddle: ${message}\n`)
    collective.abort(1)
  }
  const timer = ranks.size > 1 ? setInterval(look, EVERY).unref() : undefined
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
