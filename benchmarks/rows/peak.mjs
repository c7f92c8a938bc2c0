import { startSaddle } from '../contestants/child.mjs'
import { temporaryFolder } from '../contestants/folder.mjs'
import { configOf, perturbation } from '../contestants/problem.mjs'
import { interleaveRounds } from '../contestants/rounds.mjs'

const INPUTS = 784
const SQUARE = 2048

/**
 * Share of the backend's own peak that an attack reaches: its flop rate over that of a product of two 2048 × 2048
 * matrices, in the same thread of the same process, in turn. Counted are the products with weights only, twice:
 * those that it computes, and those of an attack that computes W_Hᵀ s anew at every step, which it follows instead.
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
    const { computed, plain } = flopsOf(size, examples, attackSteps)
    const { seconds } = found.attack
    const peak = (2 * SQUARE ** 3) / found.product.seconds
    return {
      network: name,
      flopsPerSecond: computed / seconds,
      peak,
      share: computed / seconds / peak,
      plainShare: plain / seconds / peak,
    }
  } finally {
    await saddle[Symbol.asyncDispose]()
    folder.remove()
  }
}

/** 2 flops a weight and example up and as many down; f at the points before and after takes a pass up each. */
function flopsOf({ depth, width }, examples, steps) {
  const top = depth === 1 ? width * INPUTS : width ** 2
  const weights = width * INPUTS + (depth - 1) * width ** 2
  const up = 2 * weights * (steps + 2)
  const plain = examples * (up + 2 * weights * steps)
  // W_Hᵀ s is a product at the first point only.
  const computed = examples * (up + 2 * (weights - top) * steps + 2 * top)
  return { computed, plain }
}
