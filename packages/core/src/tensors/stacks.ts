/** What this needs of koffi. */
interface Configurable {
  config(): { async_stack_size?: number }
  config(to: { async_stack_size: number }): unknown
}

/** MPICH overflows koffi's own 128 KiB when it reduces 16 MB. */
const ROOM = 1 << 20

/**
 * Gives native calls on other threads stacks of 1 MiB. koffi takes settings only before the first library a thread
 * loads through it, so whoever may come first calls this.
 *
 * @returns whether there is room now.
 */
export function withRoomyStacks(koffi: Configurable): boolean {
  if ((koffi.config().async_stack_size ?? 0) >= ROOM) return true
  try {
    koffi.config({ async_stack_size: ROOM })
    return true
  } catch {
    return false
  }
}
