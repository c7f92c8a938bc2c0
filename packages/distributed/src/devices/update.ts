import { requireBackend, SaddleError } from '@saddle/core'
import type { Config } from '../config/schema.js'
import type { Device } from './device.js'
import { deviceInfo } from './info.js'

/**
 * What `compute.update: auto` stands for on these devices. Where devices update the weights they hold each makes the
 * same update, so they must be equal, and able to.
 *
 * @throws SaddleError CONFIG if `device` is asked for and they are not.
 */
export async function updateFor(
  { update: asked, split }: Pick<Config['compute'], 'update' | 'split'>,
  devices: readonly Device[],
): Promise<'device' | 'host'> {
  if (asked === 'host' || (asked === 'auto' && split === 'neurons')) return 'host'
  const kinds = await kindsOfHardware(devices)
  const equal = !kinds.includes(null) && kinds.length === 1
  if (equal || asked === 'auto') return equal ? 'device' : 'host'
  throw new SaddleError(
    'CONFIG',
    `compute.update: device needs equal devices that update weights themselves (GPUs of cuda); this run computes on ` +
      `${kinds.map(kind => kind ?? 'one that does not').join(', ')}. Take update: host, or other devices.`,
    { kinds },
  )
}

/** Name and compute capability of each sort of device that there is; null for one that updates nothing. */
async function kindsOfHardware(devices: readonly Device[]): Promise<(string | null)[]> {
  const distinct = [...new Map(devices.map(device => [device.id, device])).values()]
  const able = (device: Device) => requireBackend(device.backend).openUpdate !== undefined
  if (!distinct.every(able)) return [null]
  const infos = await Promise.all(distinct.map(deviceInfo))
  return [...new Set(infos.map(info => `${info?.name} (${info?.computeCapability})`))]
}
