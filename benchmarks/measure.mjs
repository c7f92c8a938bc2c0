import { availableParallelism, cpus, loadavg } from 'node:os'

/** Median of the values. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Milliseconds of each contestant, interleaved: every round runs all of them once, so that a busy machine slows all
 * of them alike. The first round is thrown away. Each function must finish its work before it returns.
 *
 * @param contestants name → function; @param rounds measured rounds.
 * @returns name → the rounds' milliseconds.
 */
export function interleave(contestants, rounds) {
  const times = Object.fromEntries(Object.keys(contestants).map(name => [name, []]))
  for (let round = -1; round < rounds; round++) {
    for (const [name, work] of Object.entries(contestants)) {
      const start = performance.now()
      work()
      if (round >= 0) times[name].push(performance.now() - start)
    }
  }
  return times
}

/** What the figures depend on besides the code. */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    load: loadavg()[0],
    node: process.version,
    date: new Date().toISOString(),
  }
}
