/** Largest relative difference that rounding explains: sums of up to 65536 float32 terms, in another order. */
const TOLERANCE = 1e-4

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
 * @param ours, theirs { outputs, gradient }.
 * @returns { outputs, gradient }: relative differences.
 * @throws if one is above 1e-4: nothing may be timed then.
 */
export function requireAgreement(ours, theirs) {
  const found = {
    outputs: relativeDifference(theirs.outputs, ours.outputs),
    gradient: relativeDifference(theirs.gradient, ours.gradient),
  }
  for (const [what, difference] of Object.entries(found))
    if (!(difference <= TOLERANCE))
      throw new Error(
        `not the same ${what}: relative difference ${difference.toExponential(1)}, above ${TOLERANCE}`,
      )
  return found
}
