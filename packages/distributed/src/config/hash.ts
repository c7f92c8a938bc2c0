import { createHash } from 'node:crypto'
import { kindsOf, parseDevice } from '../devices/device.js'
import { withoutFiles } from './files.js'
import type { Config } from './schema.js'

/**
 * SHA-256 over what decides the weights, as hex: two configurations of one hash train the same bits on the same
 * data. Left out are the name, how many workers there are and how often they may die, what
 * ranks agree on, when checkpoints are
 * written, the evaluation, and the paths of data files (their contents have a hash of their own). The backend
 * stays in, and of a list of devices the kinds that occur: they decide the last bits.
 */
export function configHash(config: Config): string {
  const deciding = {
    ...without(config, ['name', 'checkpoints', 'evaluation']),
    data: { ...config.data, source: withoutFiles(config.data.source) },
    compute: {
      ...without(config.compute, [...INDIFFERENT, 'devices', 'sums', 'gradients']),
      backend: computing(config.compute),
      // Left out where they change nothing, as in the hashes of older checkpoints, which knew neither.
      ...(config.compute.sums === 'ordered' ? {} : { sums: config.compute.sums }),
      ...(config.compute.gradients === 'auto' ? {} : { gradients: config.compute.gradients }),
      // Runs from before there was a choice keep their hashes.
      update: config.compute.update === 'device' ? 'device' : undefined,
      precision: config.compute.precision === 'float32' ? undefined : config.compute.precision,
    },
  }
  return createHash('sha256').update(canonicalJson(deciding)).digest('hex')
}

/**
 * SHA-256 over what the ranks of a job must have alike, beyond what decides the weights: all but the workers, devices
 * and paths of each machine.
 */
export function commonHash(config: Config): string {
  const common = {
    ...config,
    monitor: config.monitor.comparator !== null,
    data: { ...config.data, source: withoutFiles(config.data.source) },
    compute: without(config.compute, ['workers', 'devices']),
  }
  return createHash('sha256').update(canonicalJson(common)).digest('hex')
}

/** Settings of `compute` that change no bit. */
const INDIFFERENT = ['workers', 'retries', 'deadline', 'deal', 'verify', 'grace']

/** What decides the last bits: the backend, or the kinds of the devices; a list of one kind hashes as its backend does. */
export function computing({ backend, devices }: Config['compute']): string {
  return devices === 'auto' ? backend : kindsOf(devices.map(parseDevice)).join('+')
}

function without(value: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)))
}

/** JSON with sorted keys: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`
}
