import {
  type Attack,
  type Attackable,
  type AttackOptions,
  type AttackSpec,
  attackFrom,
  bindNetwork,
} from '@saddle/attacks'
import {
  combineInto,
  compareOutputs,
  type Dataset,
  type FactorArrays,
  type Follower,
  type GradientFactor,
  type Loss,
  lossFrom,
  misclassified,
  type Network,
  networkFrom,
  type PerturbationSet,
  type ProposalSums,
  perturbationSetFrom,
  propose,
  rowBlocks,
  scoped,
  settle,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type {
  AttackReply,
  AttackTask,
  CombineTask,
  EvaluateReply,
  EvaluateTask,
  ProposeTask,
  Replies,
  SettleTask,
  Task,
  WindowShard,
  WorkerSetup,
} from '../pool/messages.js'
import { shardsOf } from './shards.js'
import { type GradientBuffers, journalOf } from './workspace.js'

/**
 * A copy of the run inside one thread or process: what can be done to the weights and to a shard of examples.
 *
 * All workers of a machine share one set of weights, so a replica holds none of its own. Every method can be called again with
 * the same arguments after a worker died in the middle of it: outputs are only ever overwritten with the same bits, and
 * `settle` goes on where its journal says.
 */
export class Replica {
  readonly #setup: WorkerSetup
  readonly #network: Network
  readonly #loss: Loss
  readonly #set: PerturbationSet
  readonly #model: Attackable
  /** Passes whose buffers serve every attack of this thread. */
  readonly #follower: Follower
  readonly #attacks = new Map<string, Attack>()
  /** Room for the gradient of one block of rows. */
  #scratch = new Float32Array(0)
  readonly #onProgress: (done: number, total: number) => void

  constructor(setup: WorkerSetup, onProgress: (done: number, total: number) => void = () => {}) {
    this.#setup = setup
    this.#network = networkFrom(setup.network)
    this.#loss = lossFrom(setup.loss)
    this.#set = perturbationSetFrom(setup.set)
    const follower = this.#network.follow(setup.parameters)
    const model = bindNetwork(this.#network, setup.parameters)
    this.#follower = follower
    this.#model = { ...model, follow: () => follower.inputGradient }
    this.#onProgress = onProgress
  }

  run(task: Task): Replies[Task['kind']] {
    switch (task.kind) {
      case 'attack':
        return this.attack(task)
      case 'evaluate':
        return this.evaluate(task)
      case 'combine':
        return this.combine(task)
      case 'propose':
        return this.propose(task)
      case 'settle':
        return this.settle(task)
    }
  }

  /** x'_i = A(W, x_i), then the factors of (1/n) Σ ℓ'_i ∇_W f(W, x'_i) with x'_i held fixed. */
  attack(task: AttackTask): AttackReply {
    const { train, workspace, comparator } = this.#setup
    const examples = workspace.order.subarray(task.start, task.stop)
    return scoped(() => {
      const { x, y } = gather(train, examples)
      this.#follower.forget()
      const { point } = this.#attack(task.attack).search(
        this.#model,
        x,
        y,
        this.#options({ purpose: 'attack', step: task.step, examples }),
      )
      const seen = this.#set.embed(point)
      const chunks = shardsOf(examples.length, workspace.chunk)
      const outputs = tf.concat2d(
        chunks.map(chunk => this.#gradient(seen, y, chunk, task)),
        0,
      )
      const wrong = misclassified(outputs, y, this.#loss.outputs)
      const other = comparator === null ? null : this.#network.forward(comparator, seen)
      return {
        losses: copyFloats(this.#loss.value(outputs, y)),
        correct: invert(wrong),
        comparison: other === null ? null : compareOutputs(this.#loss, outputs, other, y),
      }
    })
  }

  evaluate(task: EvaluateTask): EvaluateReply {
    const data = task.part === 'train' ? this.#setup.train : this.#setup.test!
    const examples = Int32Array.from({ length: task.stop - task.start }, (_, i) => task.start + i)
    return scoped(() => {
      const { x, y } = gather(data, examples)
      this.#follower.forget()
      const clean = this.#model.forward(this.#set.embed(x))
      const found = this.#attack(task.attack).run(
        this.#model,
        x,
        y,
        this.#options({ purpose: `evaluate.${task.part}`, step: 0, examples }),
      )
      return {
        cleanLosses: copyFloats(this.#loss.value(clean, y)),
        cleanCorrect: invert(misclassified(clean, y, this.#loss.outputs)),
        robustLosses: copyFloats(found.loss),
        robustCorrect: invert(found.success),
      }
    })
  }

  /** Rows of Σ_s signal_s · input_s over the window, into the staging buffer. */
  combine(task: CombineTask): null {
    const buffers = this.#setup.workspace.matrices[task.matrix]!
    const { start, stop } = task
    const rows = buffers.staging[0]!.subarray(start * buffers.cols, stop * buffers.cols)
    combineInto(rows, buffers.cols, windowRows(buffers, start, stop, task.shards))
    return null
  }

  propose(task: ProposeTask): ProposalSums {
    const { parameters, workspace, comparator } = this.#setup
    const buffers = workspace.matrices[task.matrix]!
    journalOf(buffers, task.start, task.stop).fill(0)
    const matrix = parameters.trained[task.matrix]!
    const other = comparator === null ? undefined : comparator.trained[task.matrix]!.displacement
    const gradient = this.#gradientRows(buffers, task)
    return propose(matrix, gradient, task.start, task.stop, task.stepSize, other)
  }

  /** Rows of the batch's gradient; those still in factors in an array that the next call overwrites. */
  #gradientRows(buffers: GradientBuffers, { start, stop, shards }: ProposeTask): Float32Array {
    const { cols } = buffers
    if (shards === null) return buffers.sum!.subarray(start * cols, stop * cols)
    const length = (stop - start) * cols
    if (this.#scratch.length < length) this.#scratch = new Float32Array(length)
    const rows = this.#scratch.subarray(0, length)
    combineInto(rows, cols, windowRows(buffers, start, stop, shards))
    return rows
  }

  settle(task: SettleTask): null {
    const { parameters, workspace } = this.#setup
    const matrix = parameters.trained[task.matrix]!
    const journal = journalOf(workspace.matrices[task.matrix]!, task.start, task.stop)
    settle(matrix, task.start, task.stop, task.scale, journal)
    return null
  }

  #attack(spec: AttackSpec): Attack {
    const name = JSON.stringify(spec)
    const attack = this.#attacks.get(name) ?? attackFrom(spec)
    this.#attacks.set(name, attack)
    return attack
  }

  #options(key: { purpose: string; step: number; examples: Int32Array }): AttackOptions {
    const { stop, seed } = this.#setup
    return {
      set: this.#set,
      loss: this.#loss,
      key: { seed, ...key },
      signal: {
        get aborted() {
          return Atomics.load(stop, 0) === 1
        },
      },
      onProgress: this.#onProgress,
    }
  }

  /** Delivers the gradient of the shard's examples start..stop, and returns their outputs. */
  #gradient(
    seen: tf.Tensor2D,
    y: tf.Tensor1D,
    { start, stop }: { start: number; stop: number },
    task: AttackTask,
  ): tf.Tensor2D {
    const { parameters, workspace } = this.#setup
    return tf.tidy(() => {
      const count = stop - start
      const x = tf.slice2d(seen, [start, 0], [count, seen.shape[1]])
      const labels = tf.slice1d(y, start, count)
      const cotangent = (f: tf.Tensor2D): tf.Tensor2D =>
        tf.div(this.#loss.derivative(f, labels), task.batch)
      // The attack ended close by, unless the shard is too wide to be taken in one.
      const { outputs, factors } =
        count === seen.shape[0]
          ? this.#follower.gradientFactors(x, cotangent)
          : this.#network.gradientFactors(parameters, x, cotangent)
      factors.forEach((factor, index) => {
        const buffers = workspace.matrices[index]!
        if (buffers.form === 'factors') deliverFactor(buffers, factor, task.offset + start)
        else deliverDense(buffers, factor, task.staging, start === 0)
      })
      return outputs
    })
  }
}

function deliverFactor(buffers: GradientBuffers, factor: GradientFactor, offset: number): void {
  buffers.signals!.set(factor.signal.dataSync<'float32'>(), offset * buffers.rows)
  buffers.inputs!.set(factor.input.dataSync<'float32'>(), offset * buffers.cols)
}

/** staging ← signal · input, or staging ← staging + signal · input, block of rows by block of rows. */
function deliverDense(
  { rows, cols, staging }: GradientBuffers,
  factor: GradientFactor,
  ticket: number,
  isFirst: boolean,
): void {
  const signal = factor.signal.dataSync<'float32'>()
  const input = factor.input.dataSync<'float32'>()
  const count = input.length / cols
  for (const { start, stop } of rowBlocks(rows, cols)) {
    const block = { signal: signal.subarray(start * count, stop * count), input }
    combineInto(staging[ticket]!.subarray(start * cols, stop * cols), cols, [block], !isFirst)
  }
}

/** Rows start..stop of the window's factors, as views: shard after shard. */
function windowRows(
  { rows, cols, signals, inputs }: GradientBuffers,
  start: number,
  stop: number,
  shards: readonly WindowShard[],
): FactorArrays[] {
  return shards.map(({ offset, count }) => {
    const first = offset * rows
    return {
      signal: signals!.subarray(first + start * count, first + stop * count),
      input: inputs!.subarray(offset * cols, (offset + count) * cols),
    }
  })
}

function gather(data: Dataset, examples: Int32Array): { x: tf.Tensor2D; y: tf.Tensor1D } {
  const { dimension, inputs, labels } = data
  const x = new Float32Array(examples.length * dimension)
  const y = new Float32Array(examples.length)
  for (let i = 0; i < examples.length; i++) {
    const e = examples[i]!
    x.set(inputs.subarray(e * dimension, (e + 1) * dimension), i * dimension)
    y[i] = labels[e]!
  }
  return { x: tf.tensor2d(x, [examples.length, dimension]), y: tf.tensor1d(y) }
}

function copyFloats(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync<'float32'>())
}

/** 1 where the flag is 0. */
function invert(wrong: tf.Tensor1D): Uint8Array {
  return Uint8Array.from(wrong.dataSync(), flag => 1 - flag)
}
