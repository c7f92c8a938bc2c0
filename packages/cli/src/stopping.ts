import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const

/** A request to stop, made by a signal; `release` gives the signals back. */
export interface Stopping {
  readonly signal: AbortSignal
  release(): void
}

/**
 * The first SIGINT, SIGTERM or SIGUSR1 (a scheduler's warning) asks for a stop at the next step boundary (abort, then `onRequest`); the second calls
 * `onInsist` and ends the process at once with 128 + the signal's number. Checkpoints written before stay whole.
 */
export function stopOnSignals(onRequest: () => void, onInsist: () => void): Stopping {
  const controller = new AbortController()
  const listener = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      onInsist()
      process.exit(128 + constants.signals[signal])
    }
    controller.abort()
    onRequest()
  }
  for (const signal of SIGNALS) process.on(signal, listener)
  return {
    signal: controller.signal,
    release() {
      for (const signal of SIGNALS) process.off(signal, listener)
    },
  }
}
