import {
  type Backend,
  type BackendChoice,
  type DeviceInfo,
  listBackends,
  requireBackend,
  SaddleError,
  useBackend,
} from '@saddle/core'
import { probe } from '../lanes/probe.js'
import { cardOf, type Device, kindsOf, parseDevice } from './device.js'
import { ALL_CARDS, defaultWorkers } from './report.js'
import { ALONE, identityOf, type Place, shareOf } from './share.js'

/** What there is to compute on. */
export interface Found {
  /** What computes in the coordinator's thread: the initial weights. */
  readonly host: BackendChoice
  /** What `compute.backend` stood for. */
  readonly backend: string
  /** Each once, or as `compute.devices` lists them. */
  readonly all: readonly Device[]
  /** Bytes of the cards that they compute on, by `cardOf`; null where a card does not say. */
  readonly cards: ReadonlyMap<string, number | null>
  /** What they are, whatever their numbers: the same text where another process sees the same cards. */
  readonly identity: string
  /** Remarks for the log. */
  readonly remarks: readonly string[]
}

/** What a run computes on. */
export interface Chosen extends Omit<Found, 'all' | 'identity'> {
  /** One a worker: slot i has device i. */
  readonly devices: readonly Device[]
  /** Processes of the job that compute on each of its cards, this one among them. */
  readonly sharers: number
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
  return dealDevices(await findDevices(wanted), wanted)
}

/** The first half of `chooseDevices`: what there is, before ranks share it out. */
export async function findDevices(wanted: Omit<Wanted, 'workers'>): Promise<Found> {
  return wanted.devices === 'auto' ? fromBackend(wanted.backend) : fromList(wanted, wanted.devices)
}

/**
 * The second half: a device for each worker.
 *
 * @param place which of the ranks of this machine that found the same this one is; without a list they share it out.
 */
export function dealDevices(
  { all, identity: _, ...found }: Found,
  { workers, devices: list }: Wanted,
  place: Place = ALONE,
): Chosen {
  const onCores = list === 'auto' && all.length === 1 && onProcessor(all[0]!)
  const { own, sharers } =
    list === 'auto' && !onCores ? shareOf(all, place) : { own: all, sharers: 1 }
  const cores = Math.max(1, Math.floor(defaultWorkers() / place.count))
  const count = workers === 'auto' ? (onCores ? cores : own.length) : workers
  // Device i mod their number for worker i.
  const devices = Array.from({ length: count }, (_, i) => own[i % own.length]!)
  return { ...found, devices, sharers }
}

async function fromList(wanted: Pick<Wanted, 'backend'>, names: readonly string[]): Promise<Found> {
  const listed = names.map(parseDevice)
  const distinct = [...new Map(listed.map(device => [device.id, device])).values()]
  const seen = new Map<string, readonly DeviceInfo[]>()
  const own = distinct.filter(({ process }) => process !== null)
  await Promise.all(own.map(async d => seen.set(d.id, (await probe(d)).devices)))
  for (const device of distinct)
    if (device.process === null) seen.set(device.id, await requireDevice(device))
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
    all: listed,
    cards: cardsOf(distinct, ({ id }) => seen.get(id)!),
    identity: '',
    remarks: mixed(listed),
  }
}

/** True for a backend that is preferred for its cards, and has none. */
function lacksCards({ lives, preference }: Backend, devices: readonly Device[]): boolean {
  return lives === 'process' && preference! < BESIDE_BLAS && devices[0]!.ordinal === null
}

/** Backends preferred less than this are so for what they do on the processor. */
const BESIDE_BLAS = 20

/** The backend once loaded, and the device's number looked up among those that it sees: these. */
async function requireDevice({ id, backend, ordinal }: Device): Promise<readonly DeviceInfo[]> {
  const { backend: loaded } = await useBackend(backend)
  const seen = loaded.devices?.() ?? []
  if (ordinal === null || seen.some(device => device.ordinal === ordinal)) return seen
  const there = seen.map(device => `${backend}:${device.ordinal} (${device.name})`)
  throw new SaddleError(
    'BACKEND',
    `Device ${id} is not there: ${backend} sees ${there.length === 0 ? 'none' : there.join(', ')}. See \`saddle devices\`.`,
    { device: id, seen: there },
  )
}

/** `auto` takes the first backend that loads, in the order of preference; those with a process of their own too. */
async function fromBackend(name: string): Promise<Found> {
  const candidates =
    name === 'auto' ? listBackends().filter(b => b.preference !== null) : [requireBackend(name)]
  const passedOver: { name: string; reason: string }[] = []
  for (const backend of candidates) {
    try {
      const { host, devices, seen } = await devicesOf(backend)
      if (candidates.length > 1 && lacksCards(backend, devices))
        throw new SaddleError(
          'BACKEND',
          `${backend.name} is installed for a GPU and found none to use`,
        )
      const choice = { ...host, passedOver: [...passedOver, ...host.passedOver] }
      return {
        host: choice,
        backend: backend.name,
        all: devices,
        cards: cardsOf(devices, () => seen),
        identity: identityOf(seen),
        remarks: [],
      }
    } catch (error) {
      if (!(error instanceof SaddleError)) throw error
      const known = error.fields.passedOver as typeof passedOver | undefined
      passedOver.push(...(known ?? [{ name: backend.name, reason: error.message }]))
    }
  }
  const reasons = passedOver.map(p => `${p.name}: ${p.reason}`).join('; ')
  throw new SaddleError('BACKEND', `No backend could be used. ${reasons}.`, { passedOver })
}

interface Seen {
  readonly host: BackendChoice
  readonly devices: Device[]
  readonly seen: readonly DeviceInfo[]
}

async function devicesOf(backend: Backend): Promise<Seen> {
  const { name, lives } = backend
  if (lives === 'process') return { ...(await ownDevices(name)), host: await useBackend('auto') }
  const host = await useBackend(name)
  const seen = host.backend.devices?.() ?? []
  const names = seen.length === 0 ? [name] : seen.map(({ ordinal }) => `${name}:${ordinal}`)
  return { host, devices: names.map(parseDevice), seen }
}

/** The cards that TensorFlow sees, or the processor. */
async function ownDevices(name: string): Promise<Omit<Seen, 'host'>> {
  const all = { id: name, backend: name, ordinal: null, process: { visible: ALL_CARDS } }
  const { devices: seen } = await probe(all)
  const names =
    seen.length === 0 ? [`${name}:cpu`] : seen.map(({ ordinal }) => `${name}:gpu:${ordinal}`)
  return { devices: names.map(parseDevice), seen }
}

/** What the driver or nvidia-smi says of each device's card. A process sees its card only, as the first. */
function cardsOf(
  devices: readonly Device[],
  seenBy: (device: Device) => readonly DeviceInfo[],
): Chosen['cards'] {
  return new Map(
    devices.flatMap(device => {
      const card = cardOf(device)
      if (card === null) return []
      const number = Number(card.split(':').at(-1))
      const seen = seenBy(device)
      const info = seen.find(({ ordinal }) => ordinal === number) ?? seen[0]
      return [[card, info?.memoryBytes ?? null] as const]
    }),
  )
}

function onProcessor({ backend, ordinal }: Device): boolean {
  return ordinal === null && (requireBackend(backend).devices?.() ?? []).length === 0
}

function mixed(devices: readonly Device[]): string[] {
  const kinds = kindsOf(devices)
  if (kinds.length < 2) return []
  return [
    `devices of ${kinds.length} kinds (${kinds.join(', ')}): measured speed decides which takes a shard, so the last bits ` +
      'of the result depend on timing; equal devices would give the same bits every time',
  ]
}
