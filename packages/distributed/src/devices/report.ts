import { availableParallelism, cpus, totalmem } from 'node:os'
import { listBackends, useBackend } from '@saddle/core'

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
  readonly devices: readonly {
    readonly id: string
    readonly name: string
    readonly memoryBytes: number | null
  }[]
  /** True for the backend that `auto` takes. */
  readonly preferred: boolean
}

/**
 * Tries every backend in this thread and says what each sees; afterwards the one that `auto` prefers computes in
 * this thread.
 */
export async function devices(): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = []
  for (const backend of listBackends()) {
    const { name, description, needs, lives } = backend
    const reason = await useBackend(name).then(
      () => null,
      (error: Error) => error.message,
    )
    const available = reason === null
    reports.push({
      backend: name,
      description,
      needs,
      lives,
      available,
      reason,
      found: available ? (backend.found?.() ?? null) : null,
      devices: available ? cpuDevices() : [],
      preferred: false,
    })
  }
  const { backend } = await useBackend('auto')
  return reports.map(r => ({ ...r, preferred: r.backend === backend.name }))
}

/** Workers that `auto` starts: one a core this process may use. */
export function defaultWorkers(): number {
  return availableParallelism()
}

function cpuDevices() {
  const model = cpus()[0]?.model.trim() ?? 'CPU'
  return Array.from({ length: defaultWorkers() }, (_, i) => ({
    id: `cpu:${i}`,
    name: model,
    memoryBytes: totalmem(),
  }))
}
