/**
 * Wall-clock seconds of `work`, and of processor time over all threads of this process: their quotient says how many
 * cores were busy.
 */
export function timed(work) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const result = work()
  return { ...since({ cpu, start }), result }
}

/** What has passed since a mark: { seconds, cpuSeconds }. */
export function since({ cpu, start }) {
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { seconds, cpuSeconds: (user + system) / 1e6 }
}

export function mark() {
  return { cpu: process.cpuUsage(), start: performance.now() }
}

/** Largest resident memory of this process so far, in bytes. */
export function peakMemory() {
  return process.resourceUsage().maxRSS * 1024
}
