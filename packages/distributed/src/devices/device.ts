import { listBackends, requireBackend, SaddleError } from '@saddle/core'

/** What one worker computes on, as `compute.devices` names it. Plain JSON. */
export interface Device {
  /** `wasm`, `cuda:1`, `process:blas`, `tensorflow:gpu:0`. */
  readonly id: string
  readonly backend: string
  /** What `useBackend` takes; null leaves it to the backend. */
  readonly ordinal: number | null
  /** Present where it lives in a process of its own. */
  readonly process: DeviceProcess | null
}

interface DeviceProcess {
  /** CUDA_VISIBLE_DEVICES of that process: the card's number, or nothing. */
  readonly visible: string
}

/**
 * Reads a device's name:
 *
 *   BACKEND            blas, wasm, cpu, cuda       in the worker's thread, on the backend's first device
 *   BACKEND:k          cuda:1                      on its device k
 *   process:BACKEND    process:blas                in a process of its own, which may crash alone
 *   process:BACKEND:k  process:cuda:1              likewise; the process sees card k only
 *   tensorflow:gpu:k   tensorflow:cpu              always in a process of its own
 *
 * @throws SaddleError CONFIG with the forms that there are, BACKEND for a backend that there isn't.
 */
export function parseDevice(id: string): Device {
  const own = id.startsWith('process:')
  const [name = '', ...rest] = (own ? id.slice('process:'.length) : id).split(':')
  const backend = requireBackend(name)
  if (name === 'tensorflow') return tensorFlowDevice(id, rest)
  const ordinal = rest.length === 0 ? null : ordinalOf(rest.join(':'))
  if (ordinal === undefined) throw malformed(id)
  if (ordinal !== null && backend.devices === undefined)
    throw new SaddleError(
      'CONFIG',
      `Device "${id}": ${name} computes on the processor, whose cores are not numbered; write "${name}" once for ` +
        'every worker.',
      { device: id },
    )
  if (!own && backend.lives === 'thread') return { id, backend: name, ordinal, process: null }
  return { id, backend: name, ...alone(ordinal) }
}

function tensorFlowDevice(id: string, rest: readonly string[]): Device {
  const [kind, number, ...more] = rest
  const ordinal = ordinalOf(number ?? '0')
  if (kind === 'cpu' && rest.length === 1) return { id, backend: 'tensorflow', ...alone(null) }
  if (kind === 'gpu' && ordinal !== undefined && more.length === 0)
    return { id, backend: 'tensorflow', ...alone(ordinal) }
  throw malformed(id)
}

/** In its process the card is the only one, so number 0. */
function alone(ordinal: number | null): Pick<Device, 'ordinal' | 'process'> {
  return ordinal === null
    ? { ordinal: null, process: { visible: '' } }
    : { ordinal: 0, process: { visible: String(ordinal) } }
}

/** undefined if it is no whole number. */
function ordinalOf(text: string): number | undefined {
  return /^\d{1,4}$/.test(text) ? Number(text) : undefined
}

function malformed(id: string): SaddleError {
  const names = listBackends()
    .filter(({ lives }) => lives === 'thread')
    .map(({ name }) => name)
  return new SaddleError(
    'CONFIG',
    `Device "${id}": expected a backend (${names.join(', ')}), BACKEND:NUMBER where it has several devices, either of ` +
      'them after "process:", or tensorflow:cpu or tensorflow:gpu:NUMBER.',
    { device: id },
  )
}

/** What decides the last bits of what a device computes: devices of one kind agree on equal hardware. */
function kindOf({ backend, ordinal }: Device): string {
  return backend === 'tensorflow' ? `tensorflow:${ordinal === null ? 'cpu' : 'gpu'}` : backend
}

/** The kinds there are, sorted. */
export function kindsOf(devices: readonly Device[]): string[] {
  return [...new Set(devices.map(kindOf))].sort()
}

/** The memory in which a device computes, by the name of its card; null: the machine's. */
export function cardOf({ id, backend, ordinal, process }: Device): string | null {
  if (requireBackend(backend).devices === undefined) return null
  if (backend === 'tensorflow') return ordinal === null ? null : id
  const number = process === null || ordinal === null ? (ordinal ?? 0) : process.visible
  return `${backend}:${number}`
}

/**
 * Dense gradients on their way at once: one more than there are workers. Of devices of several kinds a slow one may be
 * at a shard for long, whose followers wait to be added: more of them.
 */
export function shardsInFlight(devices: readonly Device[]): number {
  return kindsOf(devices).length > 1 ? 4 * devices.length : devices.length + 1
}
