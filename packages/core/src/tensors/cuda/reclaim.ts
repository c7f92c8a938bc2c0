import { type Held, type HeldKind, takeHeld } from './ledger.js'
import { openCuda } from './native.js'

/**
 * Gives back what a thread that has ended held on its devices, from this thread. The driver waits for work that is
 * still under way. A failure is passed over: there is nobody left to tell, and the process's end gives back the rest.
 */
export async function reclaimThread(thread: number): Promise<void> {
  const all = takeHeld(thread)
  if (all.length === 0) return
  const { driver, cublas } = await openCuda()
  const give: Record<HeldKind, (value: number) => unknown> = {
    module: value => driver.cuModuleUnload(value),
    product: value => cublas.cublasDestroy(value),
    memory: value => driver.cuMemFree(value),
    stream: value => driver.cuStreamDestroy(value),
    context: value => driver.cuDevicePrimaryCtxRelease(value),
  }
  const own = new BigUint64Array(1)
  driver.cuCtxGetCurrent(own)
  for (const [device, held] of byDevice(all)) {
    const context = new BigUint64Array(1)
    if (driver.cuDevicePrimaryCtxRetain(context, device) !== 0) continue
    driver.cuCtxSetCurrent(context[0]!)
    for (const { kind, value } of held) give[kind](value)
    driver.cuDevicePrimaryCtxRelease(device)
  }
  driver.cuCtxSetCurrent(own[0]!)
}

function byDevice(all: readonly Held[]): Map<number, Held[]> {
  const groups = new Map<number, Held[]>()
  for (const held of all) groups.set(held.device, [...(groups.get(held.device) ?? []), held])
  return groups
}
