import {
  type Attack,
  type Attackable,
  type AttackResult,
  apgd,
  apgdTargeted,
  bim,
  fgsm,
  frankWolfe,
  identity,
  mim,
  pgd,
  randomFgsm,
  restarted,
  uniform,
  worstCase,
} from '@saddle/attacks'
import { scoped } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import { huber, keyFor, type Problem, upTo } from './fixtures.js'

/** Every attack of the package, and the ways of running PGD that differ in kind. */
export const attacks: readonly [string, Attack][] = [
  ['identity', identity()],
  ['one random point', uniform()],
  ['three random points', uniform({ draws: 3 })],
  ['fgsm', fgsm()],
  ['pgd', pgd({ steps: 4 })],
  ['pgd, long steps', pgd({ steps: 3, stepSize: 3, start: 'border' })],
  ['pgd, last iterate', pgd({ steps: 3, keepBest: false, start: 'clean' })],
  ['pgd, clean first', pgd({ steps: 3, restarts: 2, start: 'clean-first' })],
  ['pgd, two-sided', pgd({ steps: 3, objective: 'two-sided', restarts: 2 })],
  ['pgd until success', pgd({ steps: 4, restarts: 2, until: 'success' })],
  [
    'pgd until success, two-sided',
    pgd({ steps: 3, objective: 'two-sided', until: 'success', loss: 'margin' }),
  ],
  ['fgsm on the margin', fgsm({ loss: 'margin' })],
  ['r-fgsm', randomFgsm()],
  ['bim', bim({ steps: 4 })],
  ['mim', mim({ steps: 4 })],
  ['frank-wolfe', frankWolfe({ steps: 4 })],
  ['apgd', apgd({ steps: 8 })],
  ['apgd to the end', apgd({ steps: 8, restarts: 2, until: 'end', loss: 'dlr' })],
  ['apgd, targeted', apgdTargeted({ steps: 6 })],
  ['worst case', worstCase([identity(), fgsm(), pgd({ steps: 3, until: 'success' })])],
  ['restarted', restarted(uniform(), 3)],
]

export interface Read {
  readonly raw: Float32Array
  readonly point: Float32Array
  readonly outputs: Float32Array
  readonly success: Uint8Array
  readonly distance: Float32Array
  readonly loss: Float32Array
  readonly fosc: Float32Array | null
}

/** Runs an attack on rows of a problem and reads the result. */
export function run(attack: Attack, p: Problem, model: Attackable, rows = upTo(p.n)): Read {
  return scoped(() => {
    const x = Float32Array.from(rows.flatMap(i => [...p.x.subarray(i * p.d, (i + 1) * p.d)]))
    const y = Float32Array.from(rows, i => p.y[i]!)
    const key = keyFor(rows)
    const options = { set: p.set, loss: huber, key }
    return read(attack.run(model, tf.tensor2d(x, [rows.length, p.d]), tf.tensor1d(y), options))
  })
}

export function read({ raw, point, outputs, success, distance, loss, fosc }: AttackResult): Read {
  return {
    raw: raw.dataSync(),
    point: point.dataSync(),
    outputs: outputs.dataSync(),
    success: success.dataSync(),
    distance: distance.dataSync(),
    loss: loss.dataSync(),
    fosc: fosc?.dataSync() ?? null,
  } as Read
}

export function mean(x: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]!
  return sum / x.length
}
