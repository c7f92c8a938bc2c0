import { availableParallelism, cpus, totalmem } from 'node:os'
import { type Backend, type DeviceInfo, listBackends, useBackend } from '@saddle/core'
import { probe } from '../lanes/probe.js'
import type { Probed } from '../lanes/protocol.js'

/** What one backend sees on this machine. */
export interface DeviceReport {
  readonly backend: string
  readonly description: string
  readonly needs: string
  readonly lives: 'thread' | 'process'
  readonly available: boolean
  /** Why it is not available. */
  readonly reason: string | null
  /** What it computes with on this machine, such as a library and its version. */
  readonly found: string | null
  /** `id` is what `compute.devices` takes. */
  readonly devices: readonly (Omit<DeviceInfo, 'ordinal'> & {
    readonly id: string
    /** Workers that `auto` would start on it. */
    readonly autoWorkers: number
  })[]
  /** True for the backend that `auto` takes. */
  readonly preferred: boolean
}

/**
 * Tries every backend, in this thread or in a process that ends, and says what each sees; afterwards the one that
 * `auto` prefers among those of a thread computes in this one.
 */
export async function devices(): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = []
  for (const backend of listBackends()) {
    const { name, description, needs, lives, preference } = backend
    const outcome = await look(backend).catch((error: Error) => error.message)
    const available = typeof outcome !== 'string'
    const preferred = available && preference !== null && reports.every(report => !report.preferred)
    reports.push({
      backend: name,
      description,
      needs,
      lives,
      available,
      reason: available ? null : outcome,
      found: available ? outcome.found : null,
      devices: available ? named(backend, outcome.devices, preferred) : [],
      preferred,
    })
  }
  await useBackend('auto')
  return reports
}

async function look({ name, lives }: Backend): Promise<Probed> {
  if (lives === 'process')
    return probe({ id: name, backend: name, ordinal: null, process: { visible: ALL_CARDS } })
  const { backend } = await useBackend(name)
  return { found: backend.found?.() ?? null, devices: backend.devices?.() ?? [] }
}

/** CUDA_VISIBLE_DEVICES of a process that is to see every card: it stops at the first number that is none. */
export const ALL_CARDS = Array.from({ length: 64 }, (_, i) => i).join(',')

/** Workers that `auto` starts on the processor: one a core this process may use. */
export function defaultWorkers(): number {
  return availableParallelism()
}

function named(
  { name, lives }: Backend,
  devices: readonly DeviceInfo[],
  preferred: boolean,
): DeviceReport['devices'] {
  const prefix = lives === 'process' ? `${name}:gpu` : name
  if (devices.length > 0)
    return devices.map(({ ordinal, ...rest }) => ({
      id: `${prefix}:${ordinal}`,
      autoWorkers: Number(preferred),
      ...rest,
    }))
  const id = lives === 'process' ? `${name}:cpu` : name
  const model = cpus()[0]?.model.trim() ?? 'CPU'
  const autoWorkers = preferred ? defaultWorkers() : 0
  return [{ id, name: `${defaultWorkers()} × ${model}`, memoryBytes: totalmem(), autoWorkers }]
}
