import { openCollective } from '@saddle/distributed'
import { median } from '../measure.mjs'

/**
 * mpirun -n N node allreduce.mjs BYTES…: the median seconds of `allreduceSum` of float32 over all ranks, for arrays of
 * so many bytes. Rank 0 prints them as JSON. The same sizes, repetitions and barriers as peers/allreduce.c.
 */
const sizes = process.argv.slice(2).map(Number)
const ranks = await openCollective()
const medians = []
for (const bytes of sizes) {
  const values = new Float32Array(new SharedArrayBuffer(bytes))
  const repetitions = Math.min(301, Math.max(7, Math.floor(2 ** 26 / bytes)))
  const seconds = []
  for (let r = -2; r < repetitions; r++) {
    await ranks.barrier()
    const start = performance.now()
    await ranks.allreduceSum(values)
    if (r >= 0) seconds.push((performance.now() - start) / 1000)
  }
  medians.push(median(seconds))
}
if (ranks.rank === 0) console.log(JSON.stringify(medians))
await ranks.close()
