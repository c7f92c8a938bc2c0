/**
 * The slot table: which worker thread holds which device. One int32 a device in shared memory: 0 if free, else the
 * id of the thread that holds it.
 *
 * A worker claims a slot in its first task. It can't be trusted to give it back (a thread that runs out of memory
 * runs no exit handler, and one that was terminated may still be inside native code), so the parent frees the slot
 * when the thread has really ended.
 */
export type SlotTable = Int32Array<SharedArrayBuffer>

export function createSlots(devices: number): SlotTable {
  return new Int32Array(new SharedArrayBuffer(4 * devices))
}

/** Claims a free slot for `threadId`, waiting up to `patience` milliseconds for one; -1 if there was none. */
export function claimSlot(slots: SlotTable, threadId: number, patience = 30_000): number {
  const deadline = Date.now() + patience
  for (;;) {
    for (let slot = 0; slot < slots.length; slot++) {
      if (Atomics.compareExchange(slots, slot, 0, threadId) === 0) return slot
    }
    const left = deadline - Date.now()
    if (left <= 0) return -1
    // Any slot may be the next to become free: look again soon.
    Atomics.wait(slots, 0, Atomics.load(slots, 0), Math.min(left, 20))
  }
}

/** Frees whatever `threadId` held. Called by the parent on the thread's `exit`. */
export function freeSlots(slots: SlotTable, threadId: number): void {
  for (let slot = 0; slot < slots.length; slot++) {
    if (Atomics.compareExchange(slots, slot, threadId, 0) === threadId) Atomics.notify(slots, slot)
  }
}

/** The slot that `threadId` holds; -1 before it has claimed one. */
export function slotOf(slots: SlotTable, threadId: number): number {
  return slots.findIndex((_, slot) => Atomics.load(slots, slot) === threadId)
}
