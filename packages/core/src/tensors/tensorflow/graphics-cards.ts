import { spawnSync } from 'node:child_process'
import type { DeviceInfo } from '../backends.js'

const FIELDS = ['index', 'name', 'memory.total', 'compute_cap', 'driver_version', 'uuid']

/** NVIDIA's cards by the numbers that CUDA gives them in the order of the PCI bus; none where nvidia-smi is not. */
export function graphicsCards(): DeviceInfo[] {
  const { status, stdout } = spawnSync(
    'nvidia-smi',
    [`--query-gpu=${FIELDS.join(',')}`, '--format=csv,noheader,nounits'],
    { encoding: 'utf8', timeout: 10_000 },
  )
  return status === 0 ? parseCards(stdout) : []
}

/** Lines such as `0, NVIDIA H200, 143771, 9.0, 550.90.07, GPU-5c0e…`; memory in MiB. */
export function parseCards(table: string): DeviceInfo[] {
  return table
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => {
      const [index = '', name = '', memory = '', computeCapability = '', driver = '', uuid = ''] =
        line.split(',').map(field => field.trim())
      const memoryBytes = Number.isFinite(Number(memory)) ? Number(memory) * 2 ** 20 : null
      const known = uuid === '' ? {} : { uuid }
      return { ordinal: Number(index), name, memoryBytes, computeCapability, driver, ...known }
    })
}
