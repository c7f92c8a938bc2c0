import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes all that a peer needs to compute the same function of the same points: raw float32 files, row-major, in
 * `folder`. Returns the problem's plain facts with name → shape; the file of a name is NAME.f32.
 */
export function writeMatrices(folder, { network, parameters, x, y }) {
  const shapes = {}
  const write = (name, shape, data) => {
    writeFileSync(
      join(folder, `${name}.f32`),
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    )
    shapes[name] = shape
  }
  const matrix = (name, { rows, cols, data }) => write(name, [rows, cols], data)
  for (const { name, weights, initial } of parameters.trained) {
    matrix(`${name}.weights`, weights)
    matrix(`${name}.initial`, initial)
  }
  for (const [name, frozen] of Object.entries(parameters.frozen)) matrix(name, frozen)
  write('x', x.shape, x.dataSync())
  write('y', y.shape, y.dataSync())
  const { family, width, depth } = network.spec
  return { family, width, depth, folder, shapes }
}
