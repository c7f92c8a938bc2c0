import { putRows } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Attack, Attackable, AttackOptions } from '../attack.js'
import { attackOf, type Found } from '../finish.js'
import type { AttackSpec } from '../from-spec.js'
import { partOf } from '../part.js'
import { atRadius } from '../radii.js'
import { requirementsOf } from '../search/require.js'
import { rowOf } from '../search/rows.js'
import type { View } from '../view.js'

export interface BisectionSpec {
  readonly kind: 'bisection'
  /** The attack at a fixed radius. */
  readonly attack: AttackSpec
  /** Halvings of the interval that the smallest radius is in. */
  readonly steps: number
  /** Doublings of the set's radius, at most, until the attack succeeds. */
  readonly doublings: number
  readonly fosc?: boolean | undefined
}

export type BisectionOptions = Partial<Pick<BisectionSpec, 'steps' | 'doublings' | 'fosc'>>

const DEFAULTS = { steps: 10, doublings: 4 } as const

/**
 * The closest adversarial point that an attack at a fixed radius finds, in any set: for every example the radius r
 * starts at the set's own (1 if that is 0), doubles until the attack succeeds, and then [lo, hi] around the smallest
 * successful radius is halved `steps` times:
 *
 *   r = (lo + hi)/2,   hi ← r where the attack succeeds within r, else lo ← r
 *
 * A point found closer than r settles r without an attack. Examples at the same r are attacked together. The radius is
 * then known to 2^{−steps} of the bracket.
 *
 * Cost: 1 query, then at most 1 + doublings + steps runs of the attack.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range, or the attack is not one at a fixed radius.
 */
export function bisection(attack: Attack, options: BisectionOptions = {}): Attack {
  const spec: BisectionSpec = { kind: 'bisection', attack: attack.spec, ...DEFAULTS, ...options }
  const must = requirementsOf('bisection')
  must.wholeNumber('steps', spec.steps)
  must.wholeNumber('doublings', spec.doublings, 0)
  must.that(
    attack.aim === 'fixed-radius',
    `"${attack.spec.kind}" looks for the closest point itself; bisect an attack at a fixed radius, such as "pgd"`,
  )
  const runs = 1 + spec.doublings + spec.steps
  return attackOf(
    { spec, aim: 'minimum-norm', passes: 1 + runs * (attack.passes + 1) },
    (view, model, attackOptions) => explore(spec, attack, view, plain(model), attackOptions),
  )
}

/** Where the smallest successful radius of an example is, and the point that says so. */
interface Bracket {
  lo: number
  /** Infinity as long as the attack has failed. */
  hi: number
  halvings: number
  doublings: number
  distance: number
}

function explore(
  spec: BisectionSpec,
  attack: Attack,
  view: View,
  model: Attackable,
  options: AttackOptions,
): Found {
  const [n] = view.centres.shape
  const first = view.set.radius > 0 ? view.set.radius : 1
  const queries = new Int32Array(n).fill(1)
  const gradientSteps = new Int32Array(n)
  const broken = view.criterion.isAdversarial(view.outputs(view.centres), view.labels).dataSync()
  const brackets = Array.from(broken, isBroken => bracketOf(isBroken === 1))
  let raw = tf.clone(view.centres)
  for (;;) {
    const groups = rowsByRadius(spec, brackets, first)
    if (groups.size === 0) return { raw, queries, gradientSteps }
    for (const [radius, rows] of groups) {
      const part = partOf(view.centres, view.labels, options, rows)
      const set = atRadius(view.set, radius)
      const found = attack.run(model, part.x, part.y, { ...part.options, set })
      const [worked, distances] = [found.success.dataSync(), found.distance.dataSync()]
      const d = view.centres.shape[1]
      const points = found.point.dataSync<'float32'>()
      const closer: number[] = []
      rows.forEach((row, k) => {
        queries[row]! += found.queries[k]!
        gradientSteps[row]! += found.gradientSteps[k]!
        const bracket = brackets[row]!
        if (worked[k] === 1 && distances[k]! < bracket.distance) closer.push(k)
        settle(bracket, radius, worked[k] === 1 ? distances[k]! : Number.POSITIVE_INFINITY)
      })
      if (closer.length === 0) continue
      const nearest = tf.tensor2d(
        closer.flatMap(k => [...rowOf(points, k, d)]),
        [closer.length, d],
      )
      raw = putRows(
        raw,
        closer.map(k => rows[k]!),
        nearest,
      )
    }
  }
}

const bracketOf = (isBroken: boolean): Bracket => ({
  lo: 0,
  hi: isBroken ? 0 : Number.POSITIVE_INFINITY,
  halvings: 0,
  doublings: 0,
  distance: isBroken ? 0 : Number.POSITIVE_INFINITY,
})

/** The examples that go on, by the radius to be tried next. */
function rowsByRadius(
  spec: BisectionSpec,
  brackets: readonly Bracket[],
  first: number,
): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  brackets.forEach((bracket, row) => {
    const radius = nextRadius(spec, bracket, first)
    if (radius !== null) groups.set(radius, [...(groups.get(radius) ?? []), row])
  })
  return groups
}

/** The radius to be tried next; null where there is none. Settles on the way what a closer point has decided. */
function nextRadius(spec: BisectionSpec, bracket: Bracket, first: number): number | null {
  if (bracket.hi === Number.POSITIVE_INFINITY)
    return bracket.doublings > spec.doublings ? null : first * 2 ** bracket.doublings
  while (bracket.halvings < spec.steps && bracket.hi > 0) {
    const radius = (bracket.lo + bracket.hi) / 2
    if (radius < bracket.distance) return radius
    bracket.hi = radius
    bracket.halvings++
  }
  return null
}

function settle(bracket: Bracket, radius: number, distance: number): void {
  const failing = bracket.hi === Number.POSITIVE_INFINITY
  if (failing) bracket.doublings++
  else bracket.halvings++
  if (distance < Number.POSITIVE_INFINITY) bracket.hi = radius
  else bracket.lo = radius
  bracket.distance = Math.min(bracket.distance, distance)
}

/** The model with a pass counted as one query: `attackOf` multiplies what the whole search took. */
function plain(model: Attackable): Attackable {
  return {
    outputs: model.outputs,
    forward: x => model.forward(x),
    inputGradient: (x, cotangent) => model.inputGradient(x, cotangent),
    ...(model.follow === undefined ? {} : { follow: () => model.follow!() }),
  }
}
