import {
  type Attack,
  type Attackable,
  type AttackOptions,
  type AttackSpec,
  attackFrom,
  bindNetwork,
  startPoints,
} from '@saddle/attacks'
import {
  combineInto,
  compareOutputs,
  type Dataset,
  type FactorArrays,
  type Follower,
  type Loss,
  lossFrom,
  type Matrix,
  matricesChanged,
  misclassified,
  type Network,
  networkFrom,
  type PerturbationSet,
  type ProposalSums,
  perturbationSetFrom,
  propose,
  SaddleError,
  scoped,
  settle,
  withPrecision,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type {
  AttackReply,
  AttackTask,
  CombineTask,
  EvaluateReply,
  EvaluateTask,
  FetchTask,
  ProposeTask,
  Replies,
  SettleTask,
  Task,
  TeamEvaluateTask,
  TeamTask,
  TrainingTask,
  WindowShard,
  WorkerSetup,
} from '../pool/messages.js'
import { metered } from '../recipes/cost.js'
import { workOn } from '../recipes/shard.js'
import { Exchange } from '../team/exchange.js'
import { memberPasses } from '../team/member.js'
import { SlicedNetwork, type SliceFollowers } from '../team/sliced-network.js'
import { advised } from './advice.js'
import { DeviceWeights } from './device-weights.js'
import type { ShardPasses } from './passes.js'
import type { Range } from './shards.js'
import { stopSignal, wholePasses } from './whole.js'
import { type GradientBuffers, journalOf } from './workspace.js'

/** Attacks kept at once. */
const MOST_ATTACKS = 64

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
  /** Passes whose buffers serve every attack of this thread on all neurons, and on slices of them. */
  readonly #follower: Follower
  readonly #slices: SliceFollowers = new Map()
  readonly #onDevice: DeviceWeights
  /** Of the weights that this thread's device may have a copy of. */
  #version = 0
  /** Room for the gradient of one block of rows. */
  #scratch = new Float32Array(0)
  readonly #attacks = new Map<string, Attack>()
  readonly #onProgress: (done: number, total: number) => void

  constructor(setup: WorkerSetup, onProgress: (done: number, total: number) => void = () => {}) {
    this.#setup = setup
    this.#onDevice = new DeviceWeights(setup)
    this.#network = networkFrom(setup.network)
    this.#loss = lossFrom(setup.loss)
    this.#set = perturbationSetFrom(setup.set)
    const follower = this.#network.follow(setup.parameters)
    const model = bindNetwork(this.#network, setup.parameters)
    this.#follower = follower
    this.#model = { ...model, follow: () => follower.inputGradient }
    this.#onProgress = onProgress
  }

  run(task: Task): Replies[TrainingTask['kind']] {
    switch (task.kind) {
      case 'attack':
        return this.attack(task)
      case 'team':
        return this.attackTogether(task)
      case 'evaluate':
        return this.evaluate(task)
      case 'team-evaluate':
        return this.evaluateTogether(task)
      case 'combine':
        return this.combine(task)
      case 'propose':
        return this.propose(task)
      case 'propose-on-device':
        return this.#onDevice.propose(task)
      case 'fetch':
        return this.fetch(task)
      case 'settle':
        return this.settle(task)
      case 'clean':
      case 'search':
        throw new SaddleError('WORKER', `A training has no tasks of kind "${task.kind}".`)
    }
  }

  /** x'_i = A(W, x_i), then the factors of (1/n) Σ ℓ'_i ∇_W f(W, x'_i) with x'_i held fixed. */
  attack(task: AttackTask): AttackReply {
    this.#follower.forget()
    this.#lookAtWeights()
    const passes = { model: this.#model, follower: this.#follower }
    return advised(task.stop - task.start, () =>
      this.#attackShard(task, wholePasses(this.#network, this.#setup, task, passes)),
    )
  }

  /** The same, together with the other members of a team: the gradient of this member's neurons. */
  attackTogether(task: TeamTask): AttackReply {
    this.#lookAtWeights()
    return advised(task.stop - task.start, () =>
      this.#attackShard(task, memberPasses(this.#network, this.#setup, task, this.#slices)),
    )
  }

  evaluate(task: EvaluateTask): EvaluateReply {
    this.#follower.forget()
    this.#lookAtWeights()
    const whole = { signal: stopSignal(this.#setup.stop), reports: true }
    return advised(task.stop - task.start, () => this.#evaluateShard(task, this.#model, whole))
  }

  /** The same, together with the other members of a team: this member's neurons. */
  evaluateTogether(task: TeamEvaluateTask): EvaluateReply {
    this.#lookAtWeights()
    const { parameters, stop } = this.#setup
    const team = this.#setup.team!
    const model = new SlicedNetwork(
      this.#network,
      parameters,
      team,
      new Exchange(team, task, stop),
      {
        examples: task.stop - task.start,
        followers: this.#slices,
      },
    )
    // The barrier of every pass looks at the stop flag, for all members at once.
    return this.#evaluateShard(task, model, { signal: null, reports: task.member === 0 })
  }

  #evaluateShard(
    task: EvaluateTask | TeamEvaluateTask,
    model: Attackable,
    how: Pick<ShardPasses, 'signal' | 'reports'>,
  ): EvaluateReply {
    const data = task.part === 'train' ? this.#setup.train : this.#setup.test!
    const examples = Int32Array.from({ length: task.stop - task.start }, (_, i) => task.start + i)
    return scoped(() => {
      const { x, y } = gather(data, examples)
      const clean = model.forward(this.#set.embed(x))
      const key = { purpose: `evaluate.${task.part}`, step: 0, examples }
      const found = this.#attack(task.attack).run(model, x, y, this.#options(key, how))
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

  /** D as the device has it, in the place of a proposal that `settle` accepts with scale 1. */
  fetch({ matrix }: FetchTask): null {
    const { parameters, workspace } = this.#setup
    workspace.matrices[matrix]!.journal.fill(0)
    this.#onDevice.read(matrix, parameters.trained[matrix]!.weights.data)
    return null
  }

  settle(task: SettleTask): null {
    const { parameters, workspace } = this.#setup
    const matrix = parameters.trained[task.matrix]!
    const journal = journalOf(workspace.matrices[task.matrix]!, task.start, task.stop)
    settle(matrix, task.start, task.stop, task.scale, journal)
    return null
  }

  /**
   * Makes the weights that this thread's device has those of now: what it updates itself is brought up to date, other
   * copies are forgotten if the weights have changed since. Nothing changes them while tasks read them.
   */
  #lookAtWeights(): void {
    const { parameters, workspace } = this.#setup
    const version = Atomics.load(workspace.version, 0)
    if (version !== this.#version) {
      const sent = parameters.trained.filter((_, i) => !workspace.matrices[i]!.onDevice)
      matricesChanged(sent.map(m => m.weights))
    }
    this.#version = version
    this.#onDevice.catchUp()
  }

  #attackShard(task: AttackTask | TeamTask, passes: ShardPasses): AttackReply {
    const { train, workspace, precision, network } = this.#setup
    const [set, loss] = [this.#set, this.#loss]
    const examples = workspace.order.subarray(task.start, task.stop)
    return scoped(() => {
      const { x, y } = gather(train, examples)
      const key = { purpose: 'attack', step: task.step, examples }
      const options = this.#options(key, passes)
      const meter = metered(passes, { examples: examples.length, depth: network.depth })
      const done = workOn(task.recipe, {
        x,
        y,
        set,
        loss,
        passes: meter.passes,
        batch: task.batch,
        chunk: workspace.chunk,
        carried: () => rowsOfCarried(workspace.carried!, task),
        randomStart: () => startPoints('uniform', { set, centres: x }, options.key, 0),
        search: attack =>
          withPrecision(
            precision,
            () => this.#attack(attack).search(meter.passes.model, x, y, options).point,
          ),
        searching: work => withPrecision(precision, work),
        between(done, total) {
          if (passes.signal?.aborted === true)
            throw new SaddleError('STOPPED', 'The step was stopped between two passes, on request.')
          options.onProgress?.(done, total)
        },
      })
      const { seen, outputs, losses, carried } = done
      const other = passes.comparator === null ? null : passes.comparator.forward(seen)
      return {
        losses: copyFloats(losses),
        correct: invert(misclassified(outputs, y, loss.outputs)),
        comparison: other === null ? null : compareOutputs(loss, outputs, other, y),
        cost: meter.cost(),
        carried: carried === null ? null : copyFloats(carried),
      }
    })
  }

  #attack(spec: AttackSpec): Attack {
    const name = JSON.stringify(spec)
    // A spec that changes with the step would fill it.
    if (this.#attacks.size > MOST_ATTACKS) this.#attacks.clear()
    const attack = this.#attacks.get(name) ?? attackFrom(spec)
    this.#attacks.set(name, attack)
    return attack
  }

  #options(
    key: { purpose: string; step: number; examples: Int32Array },
    { signal, reports }: Pick<ShardPasses, 'signal' | 'reports'>,
  ): AttackOptions {
    return {
      set: this.#set,
      loss: this.#loss,
      key: { seed: this.#setup.seed, ...key },
      ...(signal === null ? {} : { signal }),
      ...(reports ? { onProgress: this.#onProgress } : {}),
    }
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

/** δ of a shard's places in the batch. */
function rowsOfCarried({ cols, data }: Matrix, { start, stop }: Range): tf.Tensor2D {
  return tf.tensor2d(data.slice(start * cols, stop * cols), [stop - start, cols])
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
