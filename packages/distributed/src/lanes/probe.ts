import type { Device } from '../devices/device.js'
import { LaneChild } from './child.js'
import type { Probed } from './protocol.js'

/** Seconds that a backend may take to load. */
const PATIENCE = 120

/**
 * Loads a device's backend in a process that ends at once, so that nothing of it stays in this one.
 *
 * @throws SaddleError BACKEND if it doesn't load.
 */
export async function probe(device: Device): Promise<Probed> {
  const child = new LaneChild({ device, memoryFd: null, deadline: PATIENCE, file: null })
  try {
    return (await child.ask({ kind: 'probe', device })) as Probed
  } finally {
    child.kill()
  }
}
