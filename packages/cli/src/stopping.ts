import { constants } from 'node:os'

/** After one of these a second one of them insists. */
const REQUESTS = ['SIGINT', 'SIGTERM'] as const
/** What schedulers send ahead of the end; it never insists. */
const WARNING = 'SIGUSR1'
/** What Open MPI's mpirun sends its processes before it ends them; elsewhere it says that a stopped process goes on. */
const CONTINUED = 'SIGCONT'

/** A request to stop, made by a signal; `release` gives the signals back. */
export interface Stopping {
  readonly signal: AbortSignal
  release(): void
}

/**
 * The first SIGINT, SIGTERM or SIGUSR1 asks for a stop at the next step boundary (abort, then `onRequest`). A second
 * SIGINT or SIGTERM calls `onInsist` and ends the process at once with 128 + the signal's number. Checkpoints written
 * before stay whole.
 *
 * @param underOpenMpi whether SIGCONT asks for a stop too: mpirun sends it, and SIGTERM somewhat later, when it was asked
 *   to end the job or another rank died.
 */
export function stopOnSignals(
  onRequest: () => void,
  onInsist: () => void,
  underOpenMpi = false,
): Stopping {
  const controller = new AbortController()
  let requests = 0
  const ask = () => {
    if (controller.signal.aborted) return
    controller.abort()
    onRequest()
  }
  const onRequestSignal = (signal: NodeJS.Signals) => {
    if (++requests > 1) {
      onInsist()
      process.exit(128 + constants.signals[signal])
    }
    ask()
  }
  const warnings = underOpenMpi ? [WARNING, CONTINUED] : [WARNING]
  for (const signal of REQUESTS) process.on(signal, onRequestSignal)
  for (const signal of warnings) process.on(signal, ask)
  return {
    signal: controller.signal,
    release() {
      for (const signal of REQUESTS) process.off(signal, onRequestSignal)
      for (const signal of warnings) process.off(signal, ask)
    },
  }
}
