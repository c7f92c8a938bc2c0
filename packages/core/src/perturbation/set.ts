import type * as tf from '@tensorflow/tfjs-core'
import type { Dataset } from '../data/dataset.js'
import type { Stream } from '../random/stream.js'

/** Slack of `contains`, absolute: float32 rounding of points with coordinates of order 1, and no more. */
export const TOLERANCE = 1e-5

/** Kinds of random start: in the set's interior, or on its border. */
export type StartKind = 'uniform' | 'border'

/**
 * A perturbation set B(x): the geometry of an adversary (Definition 3.1). Centres and points are [n, d] in chart
 * coordinates, one example a row; only `embed` and `pullback` know what the network sees. Returned tensors belong
 * to the caller (call inside `tf.tidy`).
 */
export interface PerturbationSet {
  readonly spec: SetSpec
  readonly radius: number
  /** An upper bound of the distance between two points of B(x), in the set's own norm. */
  readonly diameter: number
  /** Dimension of the network's input for chart points of dimension d. */
  embeddedDimension(dimension: number): number
  /** What the network sees at chart points: the identity for all sets but the lift. */
  embed(points: tf.Tensor2D): tf.Tensor2D
  /** Gradient in chart coordinates at `points`, given the gradient at `embed(points)`. */
  pullback(points: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D
  /** [n] booleans: is the point in B(centre), up to `tolerance` (absolute; default TOLERANCE). */
  contains(centres: tf.Tensor2D, points: tf.Tensor2D, tolerance?: number): tf.Tensor1D
  /** The closest point of B(centre) in the l2 norm. A row equal to its centre comes back bit for bit. */
  project(centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor2D
  /** argmax of ⟨g, x⟩ over x in B(centre); the centre itself where g = 0. */
  maximiseLinear(centres: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D
  /** Unit step of steepest ascent in the set's norm at `points`: sign(g), g/‖g‖₂, its tangential part, or the largest entry's sign; 0 where g = 0. */
  steepest(points: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D
  /**
   * project(centres, points + step · steepest(points, gradient)): a step of projected ascent, `step` in the units of
   * the set's norm, one for all rows or [n, 1]. In a few passes over each row where tensors are arrays.
   */
  advance(
    centres: tf.Tensor2D,
    points: tf.Tensor2D,
    gradient: tf.Tensor2D,
    step: number | tf.Tensor2D,
  ): tf.Tensor2D
  /** A random point of each B(centre), row i from `streams[i]`. */
  sample(centres: tf.Tensor2D, streams: readonly Stream[], kind: StartKind): tf.Tensor2D
  /** Distance from the centre in the set's norm (chord length on the sphere): [n]. */
  distance(centres: tf.Tensor2D, points: tf.Tensor2D): tf.Tensor1D
  /** Do closed sets of differently labelled points stay apart (Definition 3.1)? O(n² d), float64 near the threshold. */
  compatibility(data: Dataset): Compatibility
}

export interface Compatibility {
  readonly compatible: boolean
  /** The first pair (i < j) of differently labelled examples whose sets meet, or null. */
  readonly firstPair: readonly [number, number] | null
  /** Radii below this are compatible with the data. */
  readonly largestRadius: number
}

/** Plain JSON: `radius` is δ of the paper (what attack libraries call epsilon), in the units of the inputs. */
export interface SetSpec {
  /** `l1`, `l2`, `linf`: balls. `box-l1`, `box-l2`, `box-linf`: with [0,1]^d. `cap`: l2 with the sphere. `box-sphere`: linf with the sphere.
   *  `lift-l2`, `lift-linf`: balls in the chart of `sphere: lift`. */
  readonly kind:
    | 'l1'
    | 'l2'
    | 'linf'
    | 'box-l1'
    | 'box-l2'
    | 'box-linf'
    | 'cap'
    | 'box-sphere'
    | 'lift-l2'
    | 'lift-linf'
  readonly radius: number
}
