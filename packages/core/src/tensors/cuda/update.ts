import * as tf from '@tensorflow/tfjs-core'
import type { DeviceUpdate, UpdatedMatrix } from '../../descent/device-update.js'
import type { FactorArrays } from '../../descent/factors.js'
import type { ProposalSums } from '../../descent/sums.js'
import { assertShape } from '../../errors.js'
import type { Matrix } from '../matrix.js'
import { keepResident, matricesChanged, residentTensor } from '../resident.js'
import { scoped } from '../scope.js'
import { address, double, integer } from './arguments.js'
import { SUMS, UPDATE } from './kernels/update.js'
import type { CudaStorage } from './storage.js'

/** Numbers of a block of rows whose G exists at once, by default: 256 MiB. */
const BLOCK = 1 << 26
/** Threads that sum a block, whose sums are then added by fewer, and those by one. */
const LANES = 1 << 17
const FEWER_LANES = 512

/** `DeviceUpdate` on cuda. Takes 12 bytes a weight, those of W included, 4 a number of one block, and the factors. */
export function openCudaUpdate(
  storage: CudaStorage,
  matrix: UpdatedMatrix,
  block = BLOCK,
): DeviceUpdate {
  return new CudaUpdate(storage, matrix, block)
}

class CudaUpdate implements DeviceUpdate {
  readonly #storage: CudaStorage
  readonly #matrix: UpdatedMatrix
  readonly #block: number
  readonly #weights: tf.Tensor2D
  readonly #displacement: tf.Tensor2D

  constructor(storage: CudaStorage, matrix: UpdatedMatrix, block: number) {
    this.#storage = storage
    this.#block = block
    this.#matrix = matrix
    const { rows, cols, data } = matrix.displacement
    matricesChanged([matrix.weights])
    // D is sent, and W made of it here: the host's W may be of another step.
    this.#displacement = tf.keep(tf.tensor2d(data, [rows, cols]))
    storage.stays(this.#displacement)
    this.#weights = tf.keep(tf.add(residentTensor(matrix.initial), this.#displacement))
    keepResident(matrix.weights, this.#weights)
  }

  propose(factors: readonly FactorArrays[], stepSize: number, comparator?: Matrix): ProposalSums {
    const { rows, cols } = this.#matrix.weights
    if (comparator !== undefined)
      assertShape(
        `comparator of ${this.#matrix.name}`,
        [comparator.rows, comparator.cols],
        [rows, cols],
      )
    const height = Math.max(1, Math.floor(this.#block / cols))
    const sums = new Float64Array(SUMS)
    scoped(() => {
      const { signal, input } = this.#joined(factors)
      for (let start = 0; start < rows; start += height) {
        const count = Math.min(height, rows - start)
        const part = scoped(() => {
          const gradient = tf.matMul(tf.slice2d(signal, [start, 0], [count, -1]), input)
          return this.#proposeRows(start, gradient as tf.Tensor2D, stepSize, comparator)
        })
        for (let s = 0; s < SUMS; s++) sums[s]! += part[s]!
      }
    })
    const [
      normSquared,
      gradientSquared,
      inner,
      distanceSquared,
      proposedSquared,
      comparatorSquared,
    ] = sums as unknown as [number, number, number, number, number, number]
    const comparison =
      comparator === undefined
        ? null
        : { inner, distanceSquared, proposedSquared, comparatorSquared }
    return { normSquared, gradientSquared, comparison }
  }

  settle(scale: number): void {
    const { initial, weights } = this.#matrix
    const at = (tensor: tf.Tensor) => address(this.#storage.deviceAddress(tensor))
    this.#storage.runtime.launch(UPDATE, 'settle', weights.rows * weights.cols, [
      at(this.#weights),
      at(this.#displacement),
      at(residentTensor(initial)),
      double(scale),
    ])
    this.#storage.changed(this.#weights)
  }

  read(out: Float32Array): void {
    const from = this.#storage.deviceAddress(this.#displacement)
    this.#storage.runtime.device.download(out, from)
  }

  close(): void {
    matricesChanged([this.#matrix.weights])
    this.#displacement.dispose()
  }

  /** All shards side by side: signal [rows, n], input [n, cols]. */
  #joined(factors: readonly FactorArrays[]): { signal: tf.Tensor2D; input: tf.Tensor2D } {
    const { rows, cols } = this.#matrix.weights
    const parts = factors.map(({ signal, input }) => {
      const n = input.length / cols
      assertShape(`signal of ${this.#matrix.name}`, [signal.length], [rows * n])
      return { signal: tf.tensor2d(signal, [rows, n]), input: tf.tensor2d(input, [n, cols]) }
    })
    return {
      signal: tf.concat2d(
        parts.map(({ signal }) => signal),
        1,
      ),
      input: tf.concat2d(
        parts.map(({ input }) => input),
        0,
      ),
    }
  }

  #proposeRows(
    start: number,
    gradient: tf.Tensor2D,
    stepSize: number,
    comparator: Matrix | undefined,
  ): Float64Array {
    const { runtime } = this.#storage
    const { size } = gradient
    const rowsAt = (tensor: tf.Tensor) =>
      address(this.#storage.deviceAddress(tensor) + 4 * start * this.#matrix.weights.cols)
    const lanes = Math.min(LANES, size)
    const fewer = Math.min(FEWER_LANES, lanes)
    const sums = [lanes, fewer, 1].map(count => runtime.memory.take(8 * SUMS * count))
    try {
      const [wide, narrow, one] = sums as [Sums, Sums, Sums]
      runtime.launch(UPDATE, 'propose', lanes, [
        rowsAt(this.#displacement),
        address(this.#storage.deviceAddress(gradient)),
        comparator === undefined ? address(0) : rowsAt(residentTensor(comparator)),
        rowsAt(this.#weights),
        address(wide.address),
        integer(size),
        double(stepSize),
      ])
      this.#add(wide, narrow, lanes, fewer)
      this.#add(narrow, one, fewer, 1)
      const out = new Float64Array(SUMS)
      runtime.device.download(out, one.address)
      return out
    } finally {
      for (const buffer of sums) runtime.memory.give(buffer)
    }
  }

  #add(from: Sums, to: Sums, many: number, lanes: number): void {
    this.#storage.runtime.launch(UPDATE, 'add_lanes', SUMS * lanes, [
      address(from.address),
      address(to.address),
      integer(many),
      integer(lanes),
    ])
  }
}

type Sums = ReturnType<CudaStorage['runtime']['memory']['take']>
