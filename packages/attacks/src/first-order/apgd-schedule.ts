/**
 * The steps after which Auto-PGD looks back, for N steps in all: the integer rule of the reference code,
 *
 *   first after max(1, ⌊0.22 N⌋), each wait max(1, ⌊0.03 N⌋) shorter than the last, but not below max(1, ⌊0.06 N⌋)
 *
 * so 22, 41, 57, 70, 80, 87, 93, 99 for N = 100. The paper's ⌈p_j N⌉ agrees there, and differs at other N.
 *
 * @returns the length of the wait that ends at a step, by step.
 */
export function lookBacks(steps: number): ReadonlyMap<number, number> {
  const share = (part: number) => Math.max(1, Math.floor(part * steps))
  const waits = new Map<number, number>()
  let wait = share(0.22)
  for (let at = wait; at <= steps; at += wait) {
    waits.set(at, wait)
    wait = Math.max(wait - share(0.03), share(0.06))
  }
  return waits
}
