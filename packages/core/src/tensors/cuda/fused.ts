import * as tf from '@tensorflow/tfjs-core'
import type { SetSpec } from '../../perturbation/set.js'
import type { FusedKernels } from '../fused.js'
import { type Argument, address, double, float, integer } from './arguments.js'
import { ACTIVATIONS, identifier, PASSES } from './kernels/passes.js'
import { COEFFICIENTS, LANES, ROWS, SUMS } from './kernels/rows.js'
import type { Program } from './program.js'
import type { CudaStorage } from './storage.js'

/** `FusedKernels` on the device that `storage` is of. */
export function cudaFused(storage: CudaStorage): FusedKernels {
  const at = (tensor: tf.Tensor | undefined) =>
    address(tensor === undefined ? 0 : storage.deviceAddress(tensor))
  const launch = (program: Program, kernel: string, count: number, ...args: Argument[]) =>
    storage.runtime.launch(program, kernel, count, args)
  /** A tensor for `fill` to write. */
  const made = (like: tf.Tensor2D, fill: (out: Argument) => void): tf.Tensor2D => {
    const info = storage.output(like.shape, 'float32')
    fill(address(storage.deviceAddress(info)))
    return tf.engine().makeTensorFromTensorInfo(info, storage) as tf.Tensor2D
  }
  /** Memory for the time of a few launches. */
  const scratch = <T>(bytes: readonly number[], use: (...at: Argument[]) => T): T => {
    const buffers = bytes.map(size => storage.runtime.memory.take(size))
    try {
      return use(...buffers.map(buffer => address(buffer.address)))
    } finally {
      for (const buffer of buffers) storage.runtime.memory.give(buffer)
    }
  }
  const pass = (kernel: string, activation: string, count: number, ...args: Argument[]) => {
    const { name, parameter } = codeOf(activation)!
    launch(PASSES, `${kernel}_${identifier(name)}`, count, ...args, float(parameter))
  }
  const step = (
    { kind, radius }: SetSpec,
    centres: tf.Tensor2D,
    points: tf.Tensor2D,
    gradient: tf.Tensor2D | undefined,
    size: number,
  ): tf.Tensor2D | null => {
    const [n, d] = centres.shape
    const [c, x, g] = [at(centres), at(points), at(gradient)]
    const every = n * d
    if (kind === 'linf' || kind === 'box-linf')
      return made(centres, out =>
        launch(
          ROWS,
          'linf_apply',
          every,
          c,
          x,
          g,
          out,
          double(Math.fround(radius)),
          double(Math.fround(size)),
          integer(Number(kind === 'box-linf')),
        ),
      )
    if (kind === 'l2')
      return scratch([8 * 4 * LANES * n, 8 * COEFFICIENTS * n], (lanes, rows) => {
        launch(ROWS, 'l2_sums', LANES * n, c, x, g, lanes!, integer(d))
        launch(ROWS, 'l2_row', n, lanes!, rows!, double(radius), double(size))
        return made(centres, out =>
          launch(ROWS, 'l2_apply', every, c, x, g, rows!, out, integer(d)),
        )
      })
    if (kind === 'cap')
      return scratch([8 * SUMS * LANES * n, 8 * COEFFICIENTS * n, 16 * n], (lanes, rows, parts) => {
        const theta = 2 * Math.asin(Math.min(1, radius / 2))
        if (gradient !== undefined) {
          launch(ROWS, 'cap_gradient', LANES * n, x, g, lanes!, integer(d))
          launch(ROWS, 'cap_tangent', n, lanes!, parts!)
        }
        launch(ROWS, 'cap_sums', LANES * n, c, x, g, parts!, lanes!, integer(d))
        launch(ROWS, 'cap_row', n, c, lanes!, rows!, integer(d), double(theta), double(size))
        return made(centres, out =>
          launch(ROWS, 'cap_apply', every, c, x, g, parts!, rows!, out, integer(d)),
        )
      })
    return null
  }
  return {
    knows: activation => codeOf(activation) !== null,
    values: (activation, [z, y]) =>
      made(z!, out => pass('values', activation, z!.size, at(z), at(y), out)),
    valuesAndSignals: (activation, [z, y], a) =>
      made(z!, out => {
        const cols = integer(z!.shape[1])
        pass('values_signals', activation, z!.size, at(z), at(y), at(a), out, cols)
      }),
    signals(activation, z, a, cotangent, factor) {
      const [cols, outputs] = cotangent.shape.map(integer) as [Argument, Argument]
      const args = [at(z), at(a), at(cotangent), cols, outputs, float(factor)]
      pass('signals', activation, z.size, ...args)
    },
    mask: (p, x) => launch(PASSES, 'mask', p.size, at(p), at(x)),
    project: (set, centres, points) => step(set, centres, points, undefined, 0),
    advance: step,
    pickRows(condition, a, b) {
      const flags = tf.reshape(tf.cast(condition, 'bool'), [a.shape[0]])
      return tf.engine().runKernel(tf.Select, { condition: flags, t: a, e: b })
    },
    rowsAbove(x, least) {
      const [n, d] = x.shape
      return scratch([8 * LANES * n, 4 * n], (lanes, rows) => {
        launch(ROWS, 'above_sizes', LANES * n, at(x), lanes!, integer(d))
        launch(ROWS, 'above_row', n, lanes!, at(least), rows!)
        return made(x, out => launch(ROWS, 'above_apply', n * d, at(x), rows!, out, integer(d)))
      })
    },
  }
}

/** `gs:0.5` as the kernels of gs and their number; null for one that there are no kernels for. */
function codeOf(activation: string): { name: string; parameter: number } | null {
  const [name = '', number = '0'] = activation.split(':')
  return ACTIVATIONS[name] === undefined ? null : { name, parameter: Number(number) }
}
