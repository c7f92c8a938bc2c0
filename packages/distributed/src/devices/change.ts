import { SaddleError } from '@saddle/core'
import { computing } from '../config/hash.js'
import type { Config } from '../config/schema.js'
import { parseDevice } from './device.js'

type Devices = 'auto' | readonly string[]

/** The configuration on these devices; as it is if there are none. */
export function onDevices(config: Config, devices: Devices | undefined): Config {
  if (devices === undefined) return config
  const named = devices === 'auto' ? devices : [...devices]
  return { ...config, compute: { ...config.compute, devices: named } }
}

/**
 * The same for a run that has begun, whose bits must not change: on devices of the kinds that it had.
 *
 * @throws SaddleError CONFIG for devices of other kinds, or whose workers share the work out in another way.
 */
export function movedTo(config: Config, devices: Devices | undefined): Config {
  const moved = onDevices(config, devices)
  const { network, compute } = config
  const [before, after] = [computing(compute), computing(moved.compute)]
  if (before !== after)
    throw new SaddleError(
      'CONFIG',
      `The run began on ${before} and can't go on on ${after}: the last bits of its results would change. Name devices ` +
        `of ${before}, as many as you like and wherever they live, or begin a new run.`,
      { before, after },
    )
  const own = asList(moved.compute.devices).find(id => parseDevice(id).process !== null)
  if (own !== undefined && compute.split !== 'examples' && network.depth === 1)
    throw new SaddleError(
      'CONFIG',
      `The run began with compute.split: ${compute.split}, and the workers of ${own}, a process, can only split examples: the ` +
        'last bits of its results would change. Name devices that live in threads, or begin a new run with split: examples.',
      { device: own },
    )
  return moved
}

function asList(devices: Devices): readonly string[] {
  return devices === 'auto' ? [] : devices
}
