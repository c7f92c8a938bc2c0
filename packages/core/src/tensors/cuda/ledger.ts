import { getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads'

/**
 * What each thread of the process holds on devices, in shared memory. A worker thread that is ended gives nothing
 * back itself, and a device's context belongs to the process: whoever outlives the thread does it from these entries.
 */
export type HeldKind = 'module' | 'product' | 'memory' | 'stream' | 'context'

/** In the order in which they are given back. */
const KINDS: readonly HeldKind[] = ['module', 'product', 'memory', 'stream', 'context']

export interface Held {
  readonly kind: HeldKind
  /** The driver's handle of the device. */
  readonly device: number
  /** An address or a handle. */
  readonly value: number
}

const NAME = 'saddle.cuda.held'
/** Entries: a thread holds a few hundred pieces of memory. */
const CAPACITY = 1 << 16

/** Two numbers an entry: who holds what kind of thing where (0: free), and the thing. */
let entries: BigInt64Array | undefined

/** The ledger that this thread inherited; otherwise its own, which threads that it starts from now on inherit. */
function ledger(): BigInt64Array {
  if (entries !== undefined) return entries
  const inherited = getEnvironmentData(NAME)
  const buffer =
    inherited instanceof SharedArrayBuffer ? inherited : new SharedArrayBuffer(16 * CAPACITY)
  setEnvironmentData(NAME, buffer as unknown as string)
  entries = new BigInt64Array(buffer)
  return entries
}

/** Makes the ledger, if there is none yet, so that threads started from now on write into one that outlives them. */
export function shareLedger(): void {
  ledger()
}

function tagOf(thread: number, { device, kind }: Omit<Held, 'value'>): bigint {
  return BigInt((thread * 256 + device) * 8 + KINDS.indexOf(kind) + 1)
}

let next = 0

/** Notes that this thread holds something. */
export function noteHeld(held: Held): void {
  const all = ledger()
  const tag = tagOf(threadId, held)
  for (let tries = 0; tries < CAPACITY; tries++) {
    const at = 2 * next
    next = (next + 1) % CAPACITY
    if (Atomics.compareExchange(all, at, 0n, tag) !== 0n) continue
    Atomics.store(all, at + 1, BigInt(held.value))
    return
  }
}

/** Notes that this thread gave something back. */
export function noteGiven(held: Held): void {
  const all = ledger()
  const [tag, value] = [tagOf(threadId, held), BigInt(held.value)]
  for (let at = 0; at < all.length; at += 2)
    if (Atomics.load(all, at) === tag && Atomics.load(all, at + 1) === value) {
      Atomics.store(all, at, 0n)
      return
    }
}

/** Takes all that a thread held out of the ledger, in the order in which it has to be given back. */
export function takeHeld(thread: number): Held[] {
  const all = ledger()
  const found: { order: number; held: Held }[] = []
  for (let at = 0; at < all.length; at += 2) {
    const tag = Number(Atomics.load(all, at))
    const owner = Math.floor(tag / (256 * 8))
    if (tag === 0 || owner !== thread) continue
    const order = (tag % 8) - 1
    const device = Math.floor(tag / 8) % 256
    found.push({ order, held: { kind: KINDS[order]!, device, value: Number(all[at + 1]) } })
    Atomics.store(all, at, 0n)
  }
  return found.sort((a, b) => a.order - b.order).map(({ held }) => held)
}
