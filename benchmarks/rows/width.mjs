import { startSaddle } from '../contestants/child.mjs'
import { temporaryFolder } from '../contestants/folder.mjs'
import { configOf } from '../contestants/problem.mjs'
import { median } from '../measure.mjs'

/** d, n and K: small, so that the widest networks fit. One shard, whose neurons the workers share out. */
const PROBLEM = { dimension: 10, examples: 16, shard: 16, attackSteps: 2, set: 'l2' }

/**
 * Time of a training step of H = 1 by width, d = 10: seconds at every width, and the slope of log time over log m, by
 * least squares over all widths and over the widest decade. A slope of 1 is linear cost.
 */
export async function widthRow(options) {
  const { backend, quick, threads, rounds } = options
  const largest = quick ? 4 : backend === 'wasm' ? 6 : 7
  const points = []
  for (let power = 3; power <= largest; power++) {
    const width = 10 ** power
    const config = configOf({ family: 'deep', depth: 1, width }, { backend, threads, ...PROBLEM })
    const folder = temporaryFolder()
    const saddle = startSaddle()
    try {
      await saddle.ask({ op: 'train', config, threads, folder: folder.path })
      const seconds = []
      for (let round = -1; round < rounds; round++) {
        const answer = await saddle.ask({ op: 'step' })
        if (round >= 0) seconds.push(answer.seconds)
      }
      const { bytes } = await saddle.ask({ op: 'memory' })
      points.push({ width, seconds: median(seconds), rounds: seconds, bytes })
    } catch (error) {
      points.push({ width, missing: error.message })
      break
    } finally {
      await saddle[Symbol.asyncDispose]()
      folder.remove()
    }
  }
  const measured = points.filter(point => 'seconds' in point)
  return { ...PROBLEM, points, slope: slope(measured), lastDecade: slope(measured.slice(-2)) }
}

function slope(points) {
  const logs = points.map(({ width, seconds }) => [Math.log(width), Math.log(seconds)])
  const mean = axis => logs.reduce((sum, point) => sum + point[axis], 0) / logs.length
  const [x, y] = [mean(0), mean(1)]
  const along = logs.reduce((sum, [u, v]) => sum + (u - x) * (v - y), 0)
  return along / logs.reduce((sum, [u]) => sum + (u - x) ** 2, 0)
}
