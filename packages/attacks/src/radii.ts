import {
  type PerturbationSet,
  perturbationSetFrom,
  pickRows,
  putRows,
  SaddleError,
  takeRows,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackOptions, AttackResult } from './attack.js'
import { judge } from './finish.js'
import { objectiveOf } from './losses/attack-loss.js'
import { type Part, partOf, placesOfZero } from './part.js'
import { tidied } from './tidied.js'
import { viewOf } from './view.js'

/** The same kind of set with another radius. @throws SaddleError RANGE unless it is finite and ≥ 0. */
export function atRadius(set: PerturbationSet, radius: number): PerturbationSet {
  return perturbationSetFrom({ ...set.spec, radius })
}

/** Larger than any domain, and small enough for float32 to tell coordinates apart beside it. */
const EVERYWHERE = 1e6

/**
 * Where the points of a set live whatever its radius: its `project` clips to [0, 1]^d for the boxes, normalises to
 * the sphere for `cap` and `box-sphere`, keeps to the chart for the lifts, and moves nothing for the balls.
 */
export function wholeDomain(set: PerturbationSet): PerturbationSet {
  return atRadius(set, EVERYWHERE)
}

/**
 * One attack at several radii, a result each, in which nobody's success is lost as the radius grows:
 *
 *   fixed radius   at every radius the examples that still hold are attacked, and the point found at the radius
 *                  before stays where it does better; those that are broken keep their point
 *   minimum norm   one search, at the largest radius; its point is projected onto B(x) of every radius
 *
 * Results belong to the caller. `gradientSteps` and `queries` are what the radius took in addition to those before
 * it; of a minimum-norm attack the search counts for the first radius. The fresh pass of each counts for all examples.
 *
 * @param radii ascending, in the units of the inputs; `options.set` says the kind of set.
 * @throws SaddleError RANGE unless the radii ascend; else as `attack.run`.
 */
export function runRadii(
  attack: Attack,
  model: Attackable,
  x: tf.Tensor2D,
  y: tf.Tensor1D,
  options: AttackOptions,
  radii: readonly number[],
): AttackResult[] {
  requireAscending(radii)
  const steps = radii.map(radius => ({ ...options, set: atRadius(options.set, radius) }))
  const results: AttackResult[] = []
  try {
    if (attack.aim === 'minimum-norm') projectedRuns(attack, model, { x, y }, steps, results)
    else
      for (const step of steps)
        results.push(grownRun(attack, model, { x, y, options: step }, results.at(-1)))
    return results
  } catch (error) {
    results.forEach(disposeResult)
    throw error
  }
}

/** Frees the tensors of a result. */
export function disposeResult({
  raw,
  point,
  outputs,
  success,
  distance,
  loss,
  fosc,
}: AttackResult): void {
  tf.dispose([raw, point, outputs, success, distance, loss])
  fosc?.dispose()
}

/** A fixed-radius attack on what the smaller radius left standing. */
function grownRun(
  attack: Attack,
  model: Attackable,
  { x, y, options }: Part,
  before: AttackResult | undefined,
): AttackResult {
  if (before === undefined) return attack.run(model, x, y, options)
  const rest = placesOfZero(before.success.dataSync())
  const gradientSteps = new Int32Array(x.shape[0])
  const queries = new Int32Array(x.shape[0]).fill(model.queriesPerPass ?? 1)
  const from = before.from?.slice() ?? null
  const report = tidied(() => {
    const view = viewOf(model, x, y, options)
    if (rest.length === 0) return judge(view, before.point, attack.spec.fosc)
    const part = partOf(x, y, options, rest)
    const found = attack.run(model, part.x, part.y, part.options)
    const objective = objectiveOf(viewOf(model, part.x, part.y, part.options))
    const held = takeRows(before.point, rest)
    const gains = tf.logicalOr(
      found.success,
      tf.greater(objective.value(found.outputs), objective.value(takeRows(before.outputs, rest))),
    )
    const gained = gains.dataSync()
    rest.forEach((row, k) => {
      gradientSteps[row] = found.gradientSteps[k]!
      queries[row]! += found.queries[k]!
      if (from !== null && gained[k] === 1) from[row] = found.from![k]!
    })
    const points = pickRows(tf.expandDims(gains, 1), found.point, held)
    return judge(view, putRows(before.point, rest, points), attack.spec.fosc)
  })
  return { ...report, gradientSteps, queries, from }
}

/** A minimum-norm attack: one search, whose points are projected onto every radius. */
function projectedRuns(
  attack: Attack,
  model: Attackable,
  { x, y }: Pick<Part, 'x' | 'y'>,
  steps: readonly AttackOptions[],
  results: AttackResult[],
): void {
  const widest = attack.run(model, x, y, steps.at(-1)!)
  try {
    for (const options of steps) {
      const before = results.at(-1)
      const report = tidied(() => {
        const view = viewOf(model, x, y, options)
        const raw = tf.clone(widest.raw)
        if (before === undefined) return judge(view, raw, attack.spec.fosc)
        const broken = tf.expandDims(before.success, 1)
        const point = pickRows(broken, before.point, view.set.project(x, raw))
        return judge(view, raw, attack.spec.fosc, point)
      })
      const counts =
        before === undefined
          ? { gradientSteps: widest.gradientSteps, queries: widest.queries }
          : {
              gradientSteps: new Int32Array(x.shape[0]),
              queries: new Int32Array(x.shape[0]).fill(model.queriesPerPass ?? 1),
            }
      results.push({ ...report, ...counts, from: widest.from })
    }
  } finally {
    disposeResult(widest)
  }
}

function requireAscending(radii: readonly number[]): void {
  const ascending = radii.every((radius, k) => k === 0 || radius > radii[k - 1]!)
  if (radii.length > 0 && ascending) return
  throw new SaddleError('RANGE', `Radii must ascend, got ${radii.join(', ')}.`, { radii })
}
