import { SaddleError } from '../errors.js'
import type { Loss } from '../losses/loss.js'
import type { Network } from '../networks/network.js'

/** The step size α of descent: a number, the theory's safe one, or a schedule over steps. Plain JSON. */
export type StepSize =
  | number
  | 'theory'
  /** `values[k]` from step `boundaries[k − 1]` on; one value more than boundaries. */
  | {
      readonly kind: 'piecewise'
      readonly values: readonly number[]
      readonly boundaries: readonly number[]
    }
  /** From `from` at step 0 along half a cosine to `to` at step T. */
  | { readonly kind: 'cosine'; readonly from: number; readonly to: number }

/**
 * α_t for step t = 0 … totalSteps − 1.
 *
 * @throws SaddleError RANGE if α_t is not a positive number; CONFIG if a piecewise schedule is malformed, or
 *   `theory` has no answer for this loss and activation.
 */
export function stepSizeAt(
  schedule: StepSize,
  step: number,
  totalSteps: number,
  network: Pick<Network, 'spec' | 'activation'>,
  loss: Loss,
): number {
  const stepSize = scheduled(schedule, step, totalSteps, network, loss)
  if (stepSize > 0 && Number.isFinite(stepSize)) return stepSize
  throw new SaddleError(
    'RANGE',
    `Step size at step ${step}: expected a positive number, got ${stepSize}.`,
    { step, stepSize },
  )
}

/**
 * The largest eigenvalue of the loss in function space is at most Ls·max_i K(x_i, x_i): m H (eq. 1, kernel m K_H,
 * K_H(1) = H) or C1² (eq. 4) times the loss's smoothness Ls, for points on the unit sphere. Descent is stable below
 * 2 over that; we take
 *
 *   deep  0.7 / (m H Ls)        two-layer  1 / (C1² Ls)
 *
 * @throws SaddleError CONFIG if Ls or C1 is infinite.
 */
export function theoryStepSize(network: Pick<Network, 'spec' | 'activation'>, loss: Loss): number {
  const { family, width, depth } = network.spec
  const { name, c1 } = network.activation
  if (!Number.isFinite(loss.smoothness))
    throw noTheory(`the loss ${loss.name} has no Lipschitz derivative`, { loss: loss.name })
  if (family === 'deep') return 0.7 / (width * depth * loss.smoothness)
  if (!Number.isFinite(c1))
    throw noTheory(`the activation ${name} has an unbounded derivative`, { activation: name })
  return 1 / (c1 ** 2 * loss.smoothness)
}

function scheduled(
  schedule: StepSize,
  step: number,
  totalSteps: number,
  network: Pick<Network, 'spec' | 'activation'>,
  loss: Loss,
): number {
  if (typeof schedule === 'number') return schedule
  if (schedule === 'theory') return theoryStepSize(network, loss)
  if (schedule.kind === 'cosine') {
    const { from, to } = schedule
    return to + ((from - to) * (1 + Math.cos((Math.PI * step) / totalSteps))) / 2
  }
  const { values, boundaries } = schedule
  const increasing = boundaries.every((b, i) => i === 0 || boundaries[i - 1]! < b)
  if (values.length !== boundaries.length + 1 || !increasing)
    throw new SaddleError(
      'CONFIG',
      `Piecewise step size: expected increasing boundaries and one value more than boundaries, got ${values.length} values and boundaries [${boundaries.join(', ')}].`,
      { values, boundaries },
    )
  return values[boundaries.filter(boundary => boundary <= step).length]!
}

function noTheory(reason: string, fields: Readonly<Record<string, unknown>>): SaddleError {
  return new SaddleError(
    'CONFIG',
    `Step size: the theory gives none here, because ${reason}. Give stepSize as a number or a schedule, or choose another loss or activation.`,
    fields,
  )
}
