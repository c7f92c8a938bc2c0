import { startSaddle } from '../contestants/child.mjs'
import { temporaryFolder } from '../contestants/folder.mjs'
import { configOf, perturbation } from '../contestants/problem.mjs'
import { interleaveRounds } from '../contestants/rounds.mjs'

const INPUTS = 784
const SQUARE = 2048

/**
 * Share of the backend's own peak that an attack reaches: its flop rate over that of a product of two 2048 × 2048
 * matrices, in the same thread of the same process, in turn. Counted are the products with weights only.
 */
export async function peakRow(name, size, options) {
  const { examples, attackSteps } = options
  const folder = temporaryFolder()
  const saddle = startSaddle()
  try {
    const config = configOf(size, { ...options, set: 'l2' })
    const { backend } = await saddle.ask({ op: 'load', config, folder: folder.path })
    if (backend !== 'blas')
      return { network: name, missing: `measured on the backend blas; this run has ${backend}` }
    const found = await interleaveRounds(
      {
        attack: () => saddle.ask({ op: 'attack', perturbation: perturbation('l2') }),
        product: () => saddle.ask({ op: 'product', size: SQUARE }),
      },
      options,
    )
    const { depth, width } = size
    const weights = width * INPUTS + (depth - 1) * width ** 2
    // A forward pass and the way back each take 2 flops a weight and example; two passes judge the points.
    const flops = 4 * examples * weights * (attackSteps + 1)
    const rate = flops / found.attack.seconds
    const peak = (2 * SQUARE ** 3) / found.product.seconds
    return { network: name, flopsPerSecond: rate, peak, share: rate / peak }
  } finally {
    await saddle[Symbol.asyncDispose]()
    folder.remove()
  }
}
