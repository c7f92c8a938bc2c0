import { requireCounts, requirePositive, requireThat } from '../first-order/hyperparameters.js'

/** Checks of one attack's hyperparameters: each throws CONFIG and names the attack, the parameter and what it may be. */
export interface Requirements {
  that(holds: boolean, otherwise: string): void
  wholeNumber(name: string, value: number, least?: number): void
  positive(name: string, value: number): void
  between(name: string, value: number, lo: number, hi: number): void
}

export function requirementsOf(kind: string): Requirements {
  const that = (holds: boolean, otherwise: string) => requireThat(kind, holds, otherwise)
  return {
    that,
    wholeNumber(name, value, least = 1) {
      if (least === 1) requireCounts(kind, { [name]: value })
      else
        that(
          Number.isSafeInteger(value) && value >= least,
          `${name} must be a whole number of at least ${least}, got ${value}`,
        )
    },
    positive: (name, value) => requirePositive(kind, { [name]: value }),
    between: (name, value, lo, hi) =>
      that(value >= lo && value <= hi, `${name} must be in [${lo}, ${hi}], got ${value}`),
  }
}
