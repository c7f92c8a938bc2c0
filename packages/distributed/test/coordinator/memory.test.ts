import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const script = fileURLToPath(new URL('../fixtures/memory.mjs', import.meta.url))

async function residentMiB(width: number, workers: number, steps: number): Promise<number[]> {
  const args = ['--expose-gc', script, `${width}`, `${workers}`, `${steps}`]
  // Large blocks go back to the system when freed, instead of staying resident for the next one.
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '65536' }
  const { stdout } = await promisify(execFile)(process.execPath, args, { env })
  return JSON.parse(stdout)
}

t.test('four workers hold the weights once', async t => {
  const [narrow, wide] = [256, 5120]
  const small = await residentMiB(narrow, 4, 3)
  const large = await residentMiB(wide, 4, 3)
  // W_0, D and W of the m × m layer: 300 MiB. A copy of W alone in each worker would add 400 MiB more; blocks in
  // work and what the allocator keeps added 80 (Node 20) to 200 MiB (Node 24) when measured; what the narrow run keeps of
  // its heap, and the wide one does not, took 30 away. Two of the three alone would be 0.67.
  const held = (3 * 4 * (wide ** 2 - narrow ** 2)) / 2 ** 20
  const grown = large.at(-1)! - small.at(-1)!
  t.ok(
    grown > 0.75 * held,
    `the wide network is really held: ${grown.toFixed(0)} MiB for ${held.toFixed(0)}`,
  )
  t.ok(
    grown < 2 * held,
    `and held once: ${grown.toFixed(0)} MiB for ${held.toFixed(0)} MiB of weights`,
  )
})

t.test('memory stays flat over 80 steps', async t => {
  const resident = await residentMiB(256, 2, 140)
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!
  const growth = median(resident.slice(-30)) - median(resident.slice(30, 60))
  // A block of the m × m layer is 0.25 MiB: one lost by each worker in each step would add 40 MiB.
  t.ok(growth < 20, `grew by ${growth.toFixed(1)} MiB from step 45 to step 125`)
})
