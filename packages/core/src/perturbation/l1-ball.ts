import * as tf from '@tensorflow/tfjs-core'
import { floatsOf } from '../tensors/arrays.js'
import { absoluteMeeting, compatibilityOf } from './compatibility.js'
import { drawAround, inCross, onCross } from './draws.js'
import { checkedSpec, identityChart, type TensorGeometry, withExactCentres } from './exact.js'
import { maximiseCross, projectCross, stepTop } from './l1-rows.js'
import { eachRow, projectRows, type RowGeometry } from './row-geometry.js'
import { type PerturbationSet, TOLERANCE } from './set.js'

/**
 * The l1 ball: B(x_0) = { x : Σ_j |x_j − x_{0,j}| ≤ δ }.
 *
 *   project z          soft thresholding of the offset, exact (see `projectCross`); not the rescaling z·δ/‖z‖₁
 *   argmax of ⟨g, x⟩   x_0 + δ sign(g_i) e_i,  i = argmax |g_i|
 *
 * Both sort or search coordinates, so they are loops over rows on every backend; where tensors are not arrays, numbers
 * are copied to this thread and back.
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function l1Ball(radius: number): PerturbationSet {
  const spec = checkedSpec('l1', radius)
  const set: TensorGeometry = {
    ...crossGeometry(radius, false),
    spec,
    contains: (centres, points, tolerance = TOLERANCE) =>
      nearby(centres, points, radius, tolerance),
    sample: (centres, streams, kind) =>
      drawAround(centres, streams, radius, kind === 'border' ? onCross : inCross),
    compatibility: data => compatibilityOf(data, radius, absoluteMeeting),
  }
  return withExactCentres(set, crossRows(radius, false))
}

/** What the l1 ball and its meeting with the box have in common. */
export function crossGeometry(
  radius: number,
  inBox: boolean,
): Omit<TensorGeometry, 'spec' | 'contains' | 'sample' | 'compatibility'> {
  const rows = crossRows(radius, inBox)
  return {
    ...identityChart,
    radius,
    diameter: 2 * radius,
    project: (centres, points) => projectRows(rows, centres, points),
    maximiseLinear(centres, gradient) {
      const [from, along] = [floatsOf(centres), floatsOf(gradient)]
      return eachRow(centres.shape, (out, start, stop) =>
        maximiseCross(from, along, radius, inBox, out, start, stop),
      )
    },
    steepest(_points, gradient) {
      const along = floatsOf(gradient)
      return eachRow(gradient.shape, (out, start, stop) => {
        out.fill(0, start, stop)
        stepTop(out, along, 1, out, start, stop)
      })
    },
    distance: l1Distance,
  }
}

export function crossRows(radius: number, inBox: boolean): RowGeometry {
  return {
    project: (centres, points, out, start, stop) =>
      projectCross(centres, points, radius, inBox, out, start, stop),
    ascend: stepTop,
  }
}

/** Σ_j |x_ij − x_{0,ij}|: [n]. */
function l1Distance(centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor1D {
  return tf.sum(tf.abs(tf.sub(points, centres)), 1)
}

/** ‖x − x_0‖₁ ≤ δ up to `tolerance` · (1 + δ): a sum as large as δ is rounded like a number of that size. */
export function nearby(
  centres: tf.Tensor2D,
  points: tf.Tensor2D,
  radius: number,
  tolerance: number,
): tf.Tensor1D {
  return tf.lessEqual(l1Distance(centres, points), radius + tolerance * (1 + radius))
}
