import { SaddleError } from '@saddle/core'

/** Checks of hyperparameters: each throws CONFIG and names the attack, the parameter and what it may be. */
export interface Requirements {
  that(holds: boolean, otherwise: string): void
  wholeNumber(name: string, value: number, least?: number): void
  positive(name: string, value: number): void
  between(name: string, value: number, lo: number, hi: number): void
}

export function requirementsOf(attack: string): Requirements {
  const that = (holds: boolean, otherwise: string) => {
    if (!holds) throw new SaddleError('CONFIG', `Attack "${attack}": ${otherwise}.`, { attack })
  }
  return {
    that,
    wholeNumber: (name, value, least = 1) =>
      that(
        Number.isSafeInteger(value) && value >= least,
        `${name} must be a whole number of at least ${least}, got ${value}`,
      ),
    positive: (name, value) =>
      that(Number.isFinite(value) && value > 0, `${name} must be a positive number, got ${value}`),
    between: (name, value, lo, hi) =>
      that(value >= lo && value <= hi, `${name} must be in [${lo}, ${hi}], got ${value}`),
  }
}
