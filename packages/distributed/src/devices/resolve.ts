import {
  type Backend,
  type BackendChoice,
  listBackends,
  requireBackend,
  SaddleError,
  useBackend,
} from '@saddle/core'
import { probe } from '../lanes/probe.js'
import { type Device, kindsOf, parseDevice } from './device.js'
import { ALL_CARDS, defaultWorkers } from './report.js'

/** What a run computes on. */
export interface Chosen {
  /** What computes in the coordinator's thread: the initial weights. */
  readonly host: BackendChoice
  /** What `compute.backend` stood for. */
  readonly backend: string
  /** One a worker: slot i has device i. */
  readonly devices: readonly Device[]
  /** Remarks for the log. */
  readonly remarks: readonly string[]
}

export interface Wanted {
  readonly backend: string
  readonly workers: number | 'auto'
  readonly devices: 'auto' | readonly string[]
}

/**
 * Devices for the workers. A list names them: each a worker, or dealt in turn to `workers` of them. Without a list all
 * workers compute on `backend`: one worker a device where the backend has devices, one a core elsewhere.
 *
 * @throws SaddleError CONFIG, BACKEND for a device that is not there, or does not load.
 */
export async function chooseDevices(wanted: Wanted): Promise<Chosen> {
  return wanted.devices === 'auto' ? fromBackend(wanted) : fromList(wanted, wanted.devices)
}

async function fromList(wanted: Wanted, names: readonly string[]): Promise<Chosen> {
  const listed = names.map(parseDevice)
  const distinct = [...new Map(listed.map(device => [device.id, device])).values()]
  await Promise.all(distinct.filter(d => d.process !== null).map(device => probe(device)))
  for (const device of distinct) if (device.process === null) await requireDevice(device)
  const backends = [...new Set(listed.map(({ backend }) => backend))]
  const only = backends.length === 1 ? requireBackend(backends[0]!) : null
  const name = wanted.backend === 'auto' && only?.lives === 'thread' ? only.name : wanted.backend
  if (name !== 'auto' && requireBackend(name).lives === 'process')
    throw new SaddleError(
      'CONFIG',
      `compute.backend: ${name} lives in a process of its own, and next to compute.devices the backend computes the ` +
        'initial weights, in the coordinator. Leave it at auto.',
      { backend: name },
    )
  const host = await useBackend(name)
  return {
    host,
    backend: host.backend.name,
    devices: dealt(listed, wanted),
    remarks: mixed(listed),
  }
}

/** True for a backend that is preferred for its cards, and has none. */
function lacksCards({ lives, preference }: Backend, devices: readonly Device[]): boolean {
  return lives === 'process' && preference! < BESIDE_BLAS && devices[0]!.ordinal === null
}

/** Backends preferred less than this are so for what they do on the processor. */
const BESIDE_BLAS = 20

/** The backend once loaded, and the device's number looked up among those that it sees. */
async function requireDevice({ id, backend, ordinal }: Device): Promise<void> {
  const { backend: loaded } = await useBackend(backend)
  if (ordinal === null) return
  const seen = loaded.devices?.() ?? []
  if (seen.some(device => device.ordinal === ordinal)) return
  const there = seen.map(device => `${backend}:${device.ordinal} (${device.name})`)
  throw new SaddleError(
    'BACKEND',
    `Device ${id} is not there: ${backend} sees ${there.length === 0 ? 'none' : there.join(', ')}. See \`saddle devices\`.`,
    { device: id, seen: there },
  )
}

/** `auto` takes the first backend that loads, in the order of preference; those with a process of their own too. */
async function fromBackend(wanted: Wanted): Promise<Chosen> {
  const candidates =
    wanted.backend === 'auto'
      ? listBackends().filter(b => b.preference !== null)
      : [requireBackend(wanted.backend)]
  const passedOver: { name: string; reason: string }[] = []
  for (const backend of candidates) {
    try {
      const { host, devices } = await devicesOf(backend)
      if (candidates.length > 1 && lacksCards(backend, devices))
        throw new SaddleError(
          'BACKEND',
          `${backend.name} is installed for a GPU and found none to use`,
        )
      const choice = { ...host, passedOver: [...passedOver, ...host.passedOver] }
      return { host: choice, backend: backend.name, devices: dealt(devices, wanted), remarks: [] }
    } catch (error) {
      if (!(error instanceof SaddleError)) throw error
      const known = error.fields.passedOver as typeof passedOver | undefined
      passedOver.push(...(known ?? [{ name: backend.name, reason: error.message }]))
    }
  }
  const reasons = passedOver.map(p => `${p.name}: ${p.reason}`).join('; ')
  throw new SaddleError('BACKEND', `No backend could be used. ${reasons}.`, { passedOver })
}

async function devicesOf(backend: Backend): Promise<{ host: BackendChoice; devices: Device[] }> {
  const { name, lives } = backend
  if (lives === 'process') {
    const devices = await ownDevices(name)
    return { host: await useBackend('auto'), devices }
  }
  const host = await useBackend(name)
  const seen = host.backend.devices?.() ?? []
  const names = seen.length === 0 ? [name] : seen.map(({ ordinal }) => `${name}:${ordinal}`)
  return { host, devices: names.map(parseDevice) }
}

/** The cards that TensorFlow sees, or the processor. */
async function ownDevices(name: string): Promise<Device[]> {
  const all = { id: name, backend: name, ordinal: null, process: { visible: ALL_CARDS } }
  const { devices } = await probe(all)
  const names =
    devices.length === 0 ? [`${name}:cpu`] : devices.map(({ ordinal }) => `${name}:gpu:${ordinal}`)
  return names.map(parseDevice)
}

/** Device i mod their number for worker i. */
function dealt(devices: readonly Device[], { workers, devices: list }: Wanted): Device[] {
  const perDevice = list === 'auto' && devices.length === 1 && onProcessor(devices[0]!)
  const count = workers === 'auto' ? (perDevice ? defaultWorkers() : devices.length) : workers
  return Array.from({ length: count }, (_, i) => devices[i % devices.length]!)
}

function onProcessor({ backend, ordinal }: Device): boolean {
  return ordinal === null && (requireBackend(backend).devices?.() ?? []).length === 0
}

function mixed(devices: readonly Device[]): string[] {
  const kinds = kindsOf(devices)
  if (kinds.length < 2) return []
  return [
    `devices of ${kinds.length} kinds (${kinds.join(', ')}): whichever is free takes the next shard, so the last bits of ` +
      'the result depend on timing; equal devices would give the same bits every time',
  ]
}
