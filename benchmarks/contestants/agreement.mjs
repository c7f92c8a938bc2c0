import { median } from '../measure.mjs'

/** What rounding explains: sums of up to 65536 float32 terms, in another order. */
const TOLERANCE = 1e-4

/**
 * What rounding explains of a few examples' gradients: relu's derivative jumps at 0, so that a neuron whose input
 * rounds to the other side changes its example's gradient by about 1/√m of itself. About one in a million does.
 */
const WITH_FLIPS = 1e-2

/** ‖a − b‖/‖b‖ in float64. */
export function relativeDifference(a, b) {
  let difference = 0
  let size = 0
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2
    size += b[i] ** 2
  }
  return Math.sqrt(difference / size)
}

/**
 * Do two contestants compute the same function and the same input gradient?
 *
 * @param form of the network, for the error; @param ours, theirs { outputs: [n], gradient: [n · d] }.
 * @returns { outputs, gradient, allGradients }: relative differences; `gradient` is that of the median example.
 * @throws if one of them is above 1e-4, or the gradient's of all examples above 1e-2: nothing may be timed then.
 */
export function requireAgreement(form, ours, theirs) {
  const n = ours.outputs.length
  const d = ours.gradient.length / n
  const rowOf = ({ gradient }, i) => gradient.slice(i * d, (i + 1) * d)
  const outputs = relativeDifference(theirs.outputs, ours.outputs)
  const whole = relativeDifference(theirs.gradient, ours.gradient)
  const gradient = median(
    Array.from({ length: n }, (_, i) => relativeDifference(rowOf(theirs, i), rowOf(ours, i))),
  )
  requireClose(form, 'outputs', outputs, TOLERANCE)
  requireClose(form, "an example's gradient", gradient, TOLERANCE)
  requireClose(form, 'gradients of all examples', whole, WITH_FLIPS)
  return { outputs, gradient, allGradients: whole }
}

function requireClose(form, what, difference, tolerance) {
  // A difference that is no number doesn't pass.
  if (difference <= tolerance) return
  throw new Error(
    `PyTorch ${form} computes something else: relative difference of ${what} ${difference.toExponential(1)}, above ${tolerance}`,
  )
}
