import { type Precision, requireBackend, SaddleError } from '@saddle/core'
import type { Device } from './device.js'
import { deviceInfo } from './info.js'

/**
 * Refuses a precision that one of the run's devices does not have. Devices that live in a process are asked there.
 *
 * @throws SaddleError CONFIG, with the device and what it has.
 */
export async function requirePrecision(
  precision: Precision,
  devices: readonly Device[],
): Promise<void> {
  if (precision === 'float32') return
  const distinct = new Map(devices.map(device => [device.id, device]))
  for (const device of distinct.values()) {
    // What has no precisions to choose from in a thread has none in a process either.
    const info =
      requireBackend(device.backend).withPrecision === undefined
        ? undefined
        : await deviceInfo(device)
    const has = info?.precisions ?? ['float32']
    if (has.includes(precision)) continue
    throw new SaddleError(
      'CONFIG',
      `compute.precision: ${precision} needs devices that have it, such as NVIDIA GPUs of compute capability 8.0 or more ` +
        `on cuda; this run computes on ${device.id}, which has ${has.join(', ')}. Take precision: float32, or other devices.`,
      { precision, device: device.id, has },
    )
  }
}
