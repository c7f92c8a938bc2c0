/** A worker as far as dealing goes. */
export interface Hand {
  /** Seconds until it is expected to be free; 0: it is. */
  readonly busy: number
  /** Seconds that it takes for a unit of work. */
  readonly pace: number
}

/** Task number `task` is to be begun by worker number `hand`, now. */
export interface Deal {
  readonly hand: number
  readonly task: number
}

/**
 * Which waiting tasks the free workers begin now: each task, in turn, is meant for the worker that would finish it
 * first,
 *
 *   argmin over w of  finish_w + size · pace_w,   finish_w = busy_w at first, then the end of what was meant for w,
 *
 * and those whose worker is free begin. A worker that is slow so leaves the last tasks to faster ones that are busy
 * still; one that is as fast as any other never waits.
 *
 * For tasks of one size no schedule ends sooner. With a last one that is smaller (the rest of a batch), the end is at
 * most its time on the fastest worker after that of giving every task to whoever is free.
 *
 * @param sizes units of work of the tasks that wait, in their order.
 * @param later tasks as large as the last of them that are still to come.
 * @returns at most one task a free worker. O(workers² · ratio of paces), not more than O(workers · tasks).
 */
export function deal(hands: readonly Hand[], sizes: readonly number[], later = 0): Deal[] {
  const finish = hands.map(({ busy }) => busy)
  const waiting = new Set(hands.flatMap(({ busy }, hand) => (busy > 0 ? [] : [hand])))
  const deals: Deal[] = []
  const begins: number[] = []
  for (let task = 0; task < sizes.length + later && waiting.size > 0; task++) {
    const size = sizes[Math.min(task, sizes.length - 1)]!
    const hand = quickest(hands, finish, size)
    finish[hand] = finish[hand]! + size * hands[hand]!.pace
    if (!waiting.delete(hand)) continue
    if (task < sizes.length) deals.push({ hand, task })
    else begins.push(hand)
  }
  // One that is meant to begin a task still to come begins the last of those there are.
  const begun = new Set(deals.map(({ task }) => task))
  for (let task = sizes.length - 1; task >= 0 && begins.length > 0; task--)
    if (!begun.has(task)) deals.push({ hand: begins.shift()!, task })
  return deals
}

/** The worker that would finish first; of equal ones the one that begins first. */
function quickest(hands: readonly Hand[], finish: readonly number[], size: number): number {
  let best = 0
  let [end, start] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (const [hand, { pace }] of hands.entries()) {
    const from = finish[hand]!
    const until = from + size * pace
    if (until > end || (until === end && from >= start)) continue
    ;[best, end, start] = [hand, until, from]
  }
  return best
}
