import { pickRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { AttackKey } from '../attack.js'
import { atRadius } from '../radii.js'
import type { View } from '../view.js'
import type { ApgdSpec } from './apgd.js'
import type { Ascent, State } from './ascent.js'
import { better, noChampion } from './champion.js'
import { ascentDirection } from './direction.js'
import { startStreams } from './run.js'

/** Per example: the gradient at the best point, the step, and how many coordinates it moves. */
export interface SparseState extends State {
  readonly bestGradient: tf.Tensor2D
  /** η, [n, 1]. */
  readonly step: tf.Tensor2D
  /** [n]: share of the coordinates that a step moves. */
  readonly share: tf.Tensor1D
  /** [n]: coordinates in which the best point differed from x at the last look. */
  readonly changedAtLook: tf.Tensor1D
}

/** Part of the steps at a radius of `factor` · δ. */
interface Stage {
  readonly factor: number
  /** Engine steps k of the stage, first to last; the last one only looks, and hands over to the next stage. */
  readonly first: number
  readonly steps: number
}

/** Settings of the reference code: how a step shrinks and how far, and when the sparsity has fallen. */
const SHRINK = 1.5
const LEAST_STEP = 10
const FEWER = 0.95

/**
 * Auto-PGD in l1 (Croce & Hein 2021, "Mind the box"), the schedule of the reference code: steps
 *
 *   x ← P( x + η s/‖s‖₁ ),   s the signs of the gradient's largest entries, a share of all
 *
 * with the exact projection; every ⌊0.04 N⌋ steps the share becomes that of the coordinates changed at the best point
 * over 1.5, and η goes back to δ (from the best point) where those have become fewer by 5 %, else down by 1.5, to
 * δ/10 at least. First 30 % of the steps in the set of radius 3δ, then 30 % in 2δ, the rest in δ, each from the best
 * point of the one before. Only points of the last stage count.
 */
export function sparseSteps({
  steps,
  restarts,
  until,
}: Pick<ApgdSpec, 'steps' | 'restarts' | 'until'>): Omit<Ascent<SparseState>, 'sides'> {
  const stages = stagesOf(steps)
  return {
    steps: steps + stages.length - 1,
    restarts,
    until,
    judged: true,
    start: (view, key, restart) => enter(stageView(view, stages[0]!), noisy(view, key, restart)),
    step(view, objective, state, k) {
      const index = stages.findLastIndex(({ first }) => k >= first)
      const stage = stages[index]!
      const here = stageView(view, stage)
      const { outputs, direction } = ascentDirection(view, state.at, objective)
      const seen = observe(state, direction, objective.value(outputs))
      const next = stages[index + 1]
      const inside = next === undefined
      if (next !== undefined && k === next.first - 1)
        return { outputs, inside, state: enter(stageView(view, next), seen.best.points) }
      const done = k - stage.first
      const wait = Math.max(1, Math.floor(0.04 * stage.steps))
      const looked =
        done > 0 && done % wait === 0 ? lookBack(here, seen, direction) : { state: seen, direction }
      return { outputs, inside, state: move(here, looked.state, looked.direction) }
    },
  }
}

function stagesOf(steps: number): Stage[] {
  const early = Math.ceil(0.3 * steps)
  const lengths = [early, early, steps - 2 * early]
  const used = lengths.flatMap((length, index) =>
    length > 0 ? [{ length, factor: 3 - index }] : [],
  )
  let first = 0
  return used.map(({ length, factor }) => {
    const stage = { factor, first, steps: length }
    first += length + 1
    return stage
  })
}

function stageView(view: View, { factor }: Stage): View {
  return { ...view, set: atRadius(view.set, factor * view.set.radius) }
}

/** x + N(0, 1) in every coordinate, before it is projected. */
function noisy({ centres }: View, key: AttackKey, restart: number): tf.Tensor2D {
  const [n, d] = centres.shape
  const noise = new Float32Array(n * d)
  startStreams(key, restart).forEach((stream, i) => {
    stream.fillNormal(noise.subarray(i * d, (i + 1) * d))
  })
  return tf.add(centres, tf.tensor2d(noise, [n, d]))
}

/** The beginning of a stage, from points that are projected first. */
function enter({ set, centres }: View, points: tf.Tensor2D): SparseState {
  const at = set.project(centres, points)
  const changed = changedOf(centres, at)
  return {
    at,
    best: noChampion(at),
    bestGradient: tf.zerosLike(at),
    step: tf.fill([at.shape[0], 1], set.radius),
    share: tf.div(changed, SHRINK * at.shape[1]),
    changedAtLook: changed,
  }
}

function observe(state: SparseState, gradient: tf.Tensor2D, losses: tf.Tensor1D): SparseState {
  const { at, best, bestGradient } = state
  const isBetter = tf.expandDims(tf.greater(losses, best.losses), 1)
  return {
    ...state,
    best: better(best, { points: at, losses }),
    bestGradient: pickRows(isBetter, gradient, bestGradient),
  }
}

function lookBack({ set, centres }: View, state: SparseState, gradient: tf.Tensor2D) {
  const { at, best, bestGradient, step, changedAtLook } = state
  const changed = changedOf(centres, best.points)
  const fewer = tf.expandDims(tf.less(changed, tf.mul(FEWER, changedAtLook)), 1)
  const shrunk = tf.maximum(tf.div(step, SHRINK), set.radius / LEAST_STEP)
  const looked: SparseState = {
    ...state,
    at: pickRows(fewer, best.points, at),
    step: tf.where(fewer, tf.fill(step.shape, set.radius), shrunk) as tf.Tensor2D,
    share: tf.div(changed, SHRINK * at.shape[1]),
    changedAtLook: changed,
  }
  return { state: looked, direction: pickRows(fewer, bestGradient, gradient) }
}

function move({ set, centres }: View, state: SparseState, gradient: tf.Tensor2D): SparseState {
  const along = tf.mul(state.step, sparseSigns(gradient, state.share))
  return { ...state, at: set.project(centres, tf.add(state.at, along)) }
}

/** s/‖s‖₁ by rows: signs of the entries not below the largest `share` of them, ties included. */
function sparseSigns(gradient: tf.Tensor2D, share: tf.Tensor1D): tf.Tensor2D {
  const [n, d] = gradient.shape
  const [g, shares] = [gradient.dataSync<'float32'>(), share.dataSync()]
  const signs = new Float32Array(n * d)
  for (let i = 0; i < n; i++) {
    const row = g.subarray(i * d, (i + 1) * d)
    const sizes = row.map(Math.abs).sort()
    const least = sizes[Math.min(d - 1, Math.max(0, Math.floor((1 - shares[i]!) * d)))]!
    const own = signs.subarray(i * d, (i + 1) * d)
    let count = 0
    for (let j = 0; j < d; j++) {
      if (!(Math.abs(row[j]!) >= least) || row[j] === 0) continue
      own[j] = Math.sign(row[j]!)
      count++
    }
    for (let j = 0; j < d; j++) own[j]! /= Math.max(1, count)
  }
  return tf.tensor2d(signs, [n, d])
}

/** How many coordinates differ from the centre's: [n]. */
function changedOf(centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor1D {
  return tf.sum(tf.cast(tf.notEqual(centres, points), 'float32'), 1)
}
