import {
  type Attack,
  type Attackable,
  type AttackKey,
  type AttackOptions,
  type AttackResult,
  attackFrom,
  bindNetwork,
  disposeResult,
  examineModel,
  type ModelFlags,
  runRadii,
  takesStartingPoints,
} from '@saddle/attacks'
import {
  type Loss,
  lossFrom,
  misclassified,
  mlpPasses,
  networkFrom,
  type PerturbationSet,
  perturbationSetFrom,
  SaddleError,
  scoped,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Task } from '../pool/messages.js'
import { type Range, shardsOf } from '../replica/shards.js'
import { stopSignal } from '../replica/whole.js'
import { blockSize } from './blocks.js'
import { criterionFrom } from './criterion.js'
import type {
  CleanReply,
  CleanTask,
  EvaluationJob,
  EvaluationSetup,
  ModelSetup,
  SearchReply,
  SearchTask,
} from './messages.js'
import { predictionsOf } from './outputs.js'
import { emptyReply, writeReply } from './reply.js'

/** What a worker does to the examples of its tasks. Tasks only read what is shared: done again, they give the same bits. */
export class Evaluator {
  readonly #job: EvaluationJob
  readonly #stop: { readonly aborted: boolean }
  readonly #onProgress: (done: number, total: number) => void
  readonly #model: Attackable
  readonly #loss: Loss
  /** At the largest radius: searches at the others make theirs from it. */
  readonly #set: PerturbationSet
  readonly #attacks: readonly Attack[]

  constructor(
    { evaluation, stop }: EvaluationSetup,
    onProgress: (done: number, total: number) => void,
  ) {
    this.#job = evaluation
    this.#stop = stopSignal(stop)
    this.#onProgress = onProgress
    this.#model = attackableFrom(evaluation.model)
    this.#loss = lossFrom(evaluation.loss)
    this.#set = perturbationSetFrom({ kind: evaluation.set, radius: evaluation.radii.at(-1)! })
    this.#attacks = evaluation.attacks.map(attackFrom)
  }

  run(task: Task): CleanReply | SearchReply {
    if (task.kind === 'clean') return this.clean(task)
    if (task.kind === 'search') return this.search(task)
    throw new SaddleError('WORKER', `An evaluation has no tasks of kind "${task.kind}".`)
  }

  clean(task: CleanTask): CleanReply {
    const n = task.stop - task.start
    const reply: CleanReply = {
      losses: new Float32Array(n),
      predictions: new Int32Array(n),
      leastLikely: new Int32Array(n),
      correct: new Int32Array(n),
      wild: new Int32Array(n),
      flat: new Int32Array(n),
      probabilities: new Int32Array(n),
      random: new Int32Array(n),
    }
    for (const block of this.#blocksOf(task))
      scoped(() => {
        const { x, y } = this.#gather(block)
        const at = block.start - task.start
        const { outputs, flags } = examineModel(this.#model, x, y, {
          set: this.#set,
          loss: this.#loss,
          key: this.#keyOf(block),
        })
        const wrong = misclassified(outputs, y, this.#loss.outputs).dataSync()
        const { predictions, leastLikely } = predictionsOf(outputs)
        reply.losses.set(this.#loss.value(outputs, y).dataSync(), at)
        reply.predictions.set(predictions, at)
        reply.leastLikely.set(leastLikely, at)
        reply.correct.set(
          wrong.map(flag => 1 - flag),
          at,
        )
        for (const flag of Object.keys(flags) as (keyof ModelFlags)[])
          reply[flag].set(flags[flag], at)
      })
    return reply
  }

  search(task: SearchTask): SearchReply {
    const began = performance.now()
    const { data, points, radii } = this.#job
    const n = task.stop - task.start
    const reply = emptyReply(n, radii.length, points ? data.dimension : 0)
    const blocks = this.#blocksOf(task)
    blocks.forEach((block, b) => {
      const report = shareOfTask(b, blocks.length, radii.length, this.#onProgress)
      scoped(() => this.#searchBlock(task, block, reply, report))
    })
    return { ...reply, seconds: (performance.now() - began) / 1000 }
  }

  #searchBlock(
    task: SearchTask,
    block: Range,
    reply: SearchReply,
    onProgress: (done: number, total: number) => void,
  ): void {
    const { radii } = this.#job
    const attack = this.#attacks[task.attack]!
    const { x, y } = this.#gather(block)
    const options = {
      set: this.#set,
      loss: this.#loss,
      criterion: this.#criterion(block),
      key: this.#keyOf(block),
      ...this.#startingPoints(attack, block),
      signal: this.#stop,
      onProgress,
    }
    const results = runRadii(attack, this.#model, x, y, options, radii)
    const place = block.start - task.start
    const size = task.stop - task.start
    results.forEach((result, r) => {
      writeReply(result, reply, r * size + place)
    })
    if (attack.aim === 'minimum-norm')
      reply.norms.set(this.#normsOf(x, y, results[0]!, block), place)
    results.forEach(disposeResult)
  }

  #keyOf({ start, stop }: Range): AttackKey {
    const { seed, order } = this.#job
    return { seed, purpose: 'evaluation', step: 0, examples: order.slice(start, stop) }
  }

  /** The points that an attack begins at, if it begins at such and there are any. */
  #startingPoints({ spec }: Attack, { start, stop }: Range): Pick<AttackOptions, 'startingPoints'> {
    const { startingPoints, data } = this.#job
    if (startingPoints.length === 0 || !takesStartingPoints(spec)) return {}
    const row = (place: number) =>
      startingPoints.subarray(place * data.dimension, (place + 1) * data.dimension)
    return { startingPoints: Array.from({ length: stop - start }, (_, i) => row(start + i)) }
  }

  /** How far the points are that a minimum-norm attack found, where they are adversarial as they are. */
  #normsOf(x: tf.Tensor2D, y: tf.Tensor1D, { raw }: AttackResult, block: Range): Float32Array {
    const outputs = this.#model.forward(this.#set.embed(raw))
    const found = this.#criterion(block).isAdversarial(outputs, y).dataSync()
    const distances = this.#set.distance(x, raw).dataSync()
    return Float32Array.from(distances, (d, i) => (found[i] === 1 ? d : Number.NaN))
  }

  /** A task's blocks; tasks begin where blocks do. */
  #blocksOf({ start, stop }: Range): Range[] {
    return shardsOf(stop - start, blockSize(this.#job.order.length)).map(block => ({
      start: start + block.start,
      stop: start + block.stop,
    }))
  }

  #criterion({ start, stop }: Range) {
    const { criterion, targets } = this.#job
    return criterionFrom(criterion, this.#loss, targets.slice(start, stop))
  }

  #gather({ start, stop }: Range): { x: tf.Tensor2D; y: tf.Tensor1D } {
    const { order, data } = this.#job
    const { dimension, inputs, labels } = data
    const n = stop - start
    const x = new Float32Array(n * dimension)
    const y = new Float32Array(n)
    for (let i = 0; i < n; i++) {
      const e = order[start + i]!
      x.set(inputs.subarray(e * dimension, (e + 1) * dimension), i * dimension)
      y[i] = labels[e]!
    }
    return { x: tf.tensor2d(x, [n, dimension]), y: tf.tensor1d(y) }
  }
}

/** The model; a network's passes along a search are followed, each search from its own start. */
function attackableFrom(model: ModelSetup): Attackable {
  if (model.kind === 'mlp') return mlpPasses(model.mlp)
  const network = networkFrom(model.spec)
  const follower = network.follow(model.parameters)
  return {
    ...bindNetwork(network, model.parameters),
    follow() {
      follower.forget()
      return follower.inputGradient
    },
  }
}

/** Progress of a block's searches, one a radius, as progress of its task. */
function shareOfTask(
  block: number,
  blocks: number,
  radii: number,
  onProgress: (done: number, total: number) => void,
): (done: number, total: number) => void {
  let [radius, last] = [0, 0]
  return (done, total) => {
    if (done < last) radius++
    last = done
    onProgress(block + Math.min(1, (radius + done / total) / radii), blocks)
  }
}
