import { pickRows, putRows, takeRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackOptions } from '../attack.js'
import { attackOf, type Found, stationarityGap } from '../finish.js'
import { objectiveOf } from '../losses/attack-loss.js'
import { advanced, tidied } from '../tidied.js'
import type { View } from '../view.js'
import { ascentDirection } from './direction.js'
import { requireCounts, requirePositive, requireThat } from './hyperparameters.js'
import { stopIfAsked } from './run.js'
import { CLOSE_UP, viewer } from './standing.js'
import { startPoints } from './starts.js'

export interface StationaryPgdSpec {
  readonly kind: 'stationary-pgd'
  /** K, at most. */
  readonly steps: number
  /** In units of the radius. */
  readonly stepSize: number
  readonly start: 'clean' | 'uniform' | 'border'
  /** c, in the units of the loss: an example is done at its first point with FOSC ≤ c. 0: all steps. */
  readonly criterion: number
  readonly fosc?: boolean | undefined
}

const DEFAULTS = { steps: 10, stepSize: 0.25, start: 'uniform', criterion: 0 } as const

/**
 * PGD in which every example stops as soon as it is stationary enough, the attack of dynamic training (Wang et al. 2019):
 *
 *   x ← P_{B(x_0)}( x + η u(∇ℓ(x)) )   until   FOSC(x) = max over x' in B(x_0) of ⟨x' − x, ∇ℓ(x)⟩ ≤ c
 *
 * or K steps are done; the last point is kept. FOSC knows the box and the sphere, and its centre is x_0 itself. With
 * c = 0 nothing stops early, since what would is a point that PGD does not leave: it is `pgd` with `keepBest: false`.
 *
 * Cost: a gradient pass at every point visited. Stopped examples leave the batch once a tenth of it has stopped.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range.
 */
export function stationaryPgd(options: Partial<Omit<StationaryPgdSpec, 'kind'>> = {}): Attack {
  const spec: StationaryPgdSpec = { kind: 'stationary-pgd', ...DEFAULTS, ...options }
  const { steps, stepSize, criterion } = spec
  requireCounts(spec.kind, { steps })
  requirePositive(spec.kind, { stepSize })
  requireThat(
    spec.kind,
    Number.isFinite(criterion) && criterion >= 0,
    `criterion must be a number ≥ 0, got ${criterion}`,
  )
  return attackOf({ spec, passes: steps }, (view, model, attack) =>
    explore(spec, view, model, attack),
  )
}

/** The examples under way, at `places` of the batch, and the points of all n. */
interface Group {
  readonly x: tf.Tensor2D
  readonly y: tf.Tensor1D
  readonly at: tf.Tensor2D
  readonly points: tf.Tensor2D
}

function explore(
  { steps, stepSize, start, criterion }: StationaryPgdSpec,
  view: View,
  model: Attackable,
  options: AttackOptions,
): Found {
  const n = view.centres.shape[0]
  const gradientSteps = new Int32Array(n)
  const queries = new Int32Array(n)
  const isDone = new Uint8Array(n)
  let places = Array.from({ length: n }, (_, i) => i)
  let seen = viewer(model, options, places)
  let group: Group = tidied(() => ({
    x: tf.clone(view.centres),
    y: tf.clone(view.labels),
    at: startPoints(start, view, options.key, 0),
    points: tf.clone(view.centres),
  }))
  for (let k = 0; k < steps; k++) {
    stopIfAsked(options.signal)
    const left = places.flatMap((place, row) => (isDone[place] === 0 ? [row] : []))
    if (left.length === 0) break
    if (left.length <= CLOSE_UP * places.length) {
      const before = places
      places = left.map(row => before[row]!)
      seen = viewer(model, options, places)
      group = advanced(group, ({ x, y, at, points }) => ({
        x: takeRows(x, left),
        y: takeRows(y, left),
        at: takeRows(at, left),
        points: putRows(points, before, at),
      }))
    }
    group = advanced(group, ({ x, y, at, points }) => {
      const here = seen.at(x, y)
      const { direction } = ascentDirection(here, at, objectiveOf(here))
      const gaps = criterion > 0 ? stationarityGap(here, at, direction).dataSync() : null
      for (const [row, place] of places.entries()) {
        if (isDone[place] === 1) continue
        queries[place]!++
        if (gaps !== null && gaps[row]! <= criterion) isDone[place] = 1
        else gradientSteps[place]!++
      }
      const next = here.set.advance(x, at, direction, stepSize * here.set.radius)
      const moves = places.map(place => isDone[place] === 0)
      return { x, y, at: pickRows(tf.tensor2d(moves, [moves.length, 1], 'bool'), next, at), points }
    })
    options.onProgress?.(k + 1, steps)
  }
  return { raw: putRows(group.points, places, group.at), gradientSteps, queries }
}
