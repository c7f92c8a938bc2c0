import {
  type Attack,
  type Attackable,
  type AttackOptions,
  type AttackSpec,
  attackFrom,
  startPoints,
} from '@saddle/attacks'
import {
  compareOutputs,
  type Dataset,
  type Loss,
  lossFrom,
  type Matrix,
  misclassified,
  type PerturbationSet,
  perturbationSetFrom,
  SaddleError,
  scoped,
  withPrecision,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type {
  AttackReply,
  AttackTask,
  EvaluateReply,
  EvaluateTask,
  TeamEvaluateTask,
  TeamTask,
  WorkerSetup,
} from '../pool/messages.js'
import { metered } from '../recipes/cost.js'
import { workOn } from '../recipes/shard.js'
import type { ShardPasses } from './passes.js'
import type { Range } from './shards.js'

/** Attacks kept at once. */
const MOST_ATTACKS = 64

/** What is done to a shard of examples, by whichever passes: the attack and the gradient of a step, or an evaluation. */
export class Shards {
  readonly #setup: WorkerSetup
  readonly #loss: Loss
  readonly #set: PerturbationSet
  readonly #attacks = new Map<string, Attack>()
  readonly #onProgress: (done: number, total: number) => void

  constructor(setup: WorkerSetup, onProgress: (done: number, total: number) => void) {
    this.#setup = setup
    this.#loss = lossFrom(setup.loss)
    this.#set = perturbationSetFrom(setup.set)
    this.#onProgress = onProgress
  }

  attack(task: AttackTask | TeamTask, passes: ShardPasses): AttackReply {
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
            () => this.#attackOf(attack).search(meter.passes.model, x, y, options).point,
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

  evaluate(
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
      const found = this.#attackOf(task.attack).run(model, x, y, this.#options(key, how))
      return {
        cleanLosses: copyFloats(this.#loss.value(clean, y)),
        cleanCorrect: invert(misclassified(clean, y, this.#loss.outputs)),
        robustLosses: copyFloats(found.loss),
        robustCorrect: invert(found.success),
      }
    })
  }

  #attackOf(spec: AttackSpec): Attack {
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
