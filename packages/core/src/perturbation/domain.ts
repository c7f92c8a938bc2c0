import type { Dataset } from '../data/dataset.js'
import { SaddleError } from '../errors.js'
import type { SetSpec } from './set.js'

/** Centres must lie in the set they are the centres of: checked once for a data set, not for every batch. */

/** Slack of the checks: what float32 preprocessing leaves. */
const SLACK = 1e-5

/**
 * Throws RANGE unless all examples are where sets of this kind have their centres: in [0, 1]^d, on the unit sphere, or in
 * the chart of the lift; anywhere for plain balls.
 */
export function requireDomain(kind: SetSpec['kind'], data: Dataset): void {
  switch (kind) {
    case 'l1':
    case 'l2':
    case 'linf':
      return
    case 'box-l1':
    case 'box-l2':
    case 'box-linf':
      requireUnitBox(kind, data)
      return
    case 'cap':
    case 'box-sphere':
      requireUnitSphere(kind, data)
      return
    case 'lift-l2':
    case 'lift-linf':
      requireChart(kind, data)
      return
  }
}

/** Throws RANGE unless all inputs lie in [0, 1]^d. */
export function requireUnitBox(kind: string, data: Dataset): void {
  const { inputs, dimension } = data
  const at = inputs.findIndex(x => !(x >= -SLACK && x <= 1 + SLACK))
  if (at < 0) return
  const example = Math.floor(at / dimension)
  throw new SaddleError(
    'RANGE',
    `Perturbation set "${kind}" needs inputs in [0, 1], but coordinate ${at % dimension} of example ${example} ` +
      `is ${inputs[at]}. Scale the data to [0, 1] without centring it or moving it onto the sphere, or use ` +
      'a set without a box.',
    { kind, example, value: inputs[at] },
  )
}

/** Throws RANGE unless all examples have norm 1. */
export function requireUnitSphere(kind: string, data: Dataset): void {
  eachNorm(data, (norm, example) => {
    if (Math.abs(norm - 1) <= SLACK) return
    throw new SaddleError(
      'RANGE',
      `Perturbation set "${kind}" needs inputs on the unit sphere, but example ${example} has norm ${norm}. ` +
        'Bring the data onto the sphere first (normalise or bias), or use a ball.',
      { kind, example, norm },
    )
  })
}

/** Throws RANGE unless all examples have norm < 1: charts of the upper half sphere. */
export function requireChart(kind: string, data: Dataset): void {
  eachNorm(data, (norm, example) => {
    if (norm < 1) return
    throw new SaddleError(
      'RANGE',
      `Perturbation set "${kind}" needs inputs in the chart of the lift, of norm below 1, but example ${example} ` +
        `has norm ${norm}. Bring the data onto the sphere by the lift, which scales them.`,
      { kind, example, norm },
    )
  })
}

function eachNorm(data: Dataset, visit: (norm: number, example: number) => void): void {
  const { inputs, dimension, count } = data
  for (let i = 0; i < count; i++) {
    let sum = 0
    for (let j = 0; j < dimension; j++) sum += inputs[i * dimension + j]! ** 2
    visit(Math.sqrt(sum), i)
  }
}
