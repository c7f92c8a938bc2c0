import * as tf from '@tensorflow/tfjs-core'
import { assertShape, SaddleError } from '../errors.js'
import { tensorsAreArrays } from '../tensors/arrays.js'
import { fusedKernels } from '../tensors/fused.js'
import {
  advanceRows,
  distanceRows,
  maximiseRows,
  projectRows,
  type RowGeometry,
} from './row-geometry.js'
import { pickRareRows, rowMax } from './rows.js'
import type { PerturbationSet, SetSpec } from './set.js'

/** The formulas of a set on tensors. */
export type TensorGeometry = Omit<PerturbationSet, 'advance'>

/**
 * The promises every set keeps to the last bit, in one place: a row equal to its centre projects to itself, a row
 * with g = 0 is maximised by its centre, and B(x) of radius 0 is x. The formulas of the sets then need not care.
 * Where tensors are arrays, `rows` computes instead of the formulas on tensors, and where the backend has kernels for the
 * set, those.
 */
export function withExactCentres(set: TensorGeometry, rows: RowGeometry): PerturbationSet {
  const project = (centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor2D => {
    assertShape('points to project', points.shape, centres.shape)
    if (set.radius === 0) return tf.clone(centres)
    if (tensorsAreArrays()) return projectRows(rows, centres, points)
    const fused = fusedKernels()?.project(set.spec, centres, points)
    if (fused) return fused
    const atCentre = tf.equal(rowMax(tf.sub(centres, points)), 0)
    return pickRareRows(atCentre, () => centres, set.project(centres, points))
  }
  return {
    ...set,
    project,
    advance(centres, points, gradient, step) {
      assertShape('gradient to ascend', gradient.shape, points.shape)
      if (set.radius > 0 && tensorsAreArrays())
        return advanceRows(rows, centres, points, gradient, step)
      assertShape('points to advance', points.shape, centres.shape)
      const fused =
        set.radius === 0 || typeof step !== 'number'
          ? null
          : fusedKernels()?.advance(set.spec, centres, points, gradient, step)
      if (fused) return fused
      return project(centres, tf.add(points, tf.mul(step, set.steepest(points, gradient))))
    },
    maximiseLinear(centres, gradient) {
      assertShape('gradient to maximise', gradient.shape, centres.shape)
      if (set.radius === 0) return tf.clone(centres)
      if (rows.maximise && tensorsAreArrays()) return maximiseRows(rows.maximise, centres, gradient)
      const still = tf.equal(rowMax(gradient), 0)
      return pickRareRows(still, () => centres, set.maximiseLinear(centres, gradient))
    },
    distance(centres, points) {
      if (rows.distance === undefined || !tensorsAreArrays()) return set.distance(centres, points)
      assertShape('points to measure', points.shape, centres.shape)
      return distanceRows(rows.distance, centres, points)
    },
    sample(centres, streams, kind) {
      assertShape('streams of random numbers', [streams.length], [centres.shape[0]])
      return set.radius === 0 ? tf.clone(centres) : set.sample(centres, streams, kind)
    },
  }
}

/** The chart of every set but the lift: the network sees the point itself. */
export const identityChart: Pick<PerturbationSet, 'embeddedDimension' | 'embed' | 'pullback'> = {
  embeddedDimension: dimension => dimension,
  embed: points => tf.clone(points),
  pullback: (_points, gradient) => tf.clone(gradient),
}

/** The spec of a set, its radius checked: finite and ≥ 0. */
export function checkedSpec(kind: SetSpec['kind'], radius: number): SetSpec {
  if (Number.isFinite(radius) && radius >= 0) return { kind, radius }
  throw new SaddleError(
    'RANGE',
    `Perturbation radius: expected a finite number ≥ 0 in the units of the inputs, got ${radius}.`,
    { radius },
  )
}
