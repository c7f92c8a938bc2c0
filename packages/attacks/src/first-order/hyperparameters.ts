import { SaddleError } from '@saddle/core'

/** Checks of hyperparameters: each throws CONFIG, naming the attack, what was expected and what was got. */

export function requireCounts(kind: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts))
    requireThat(
      kind,
      Number.isSafeInteger(value) && value >= 1,
      `${name} must be a positive whole number, got ${value}`,
    )
}

export function requirePositive(kind: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    requireThat(
      kind,
      Number.isFinite(value) && value > 0,
      `${name} must be a positive number, got ${value}`,
    )
}

export function requireThat(kind: string, holds: boolean, otherwise: string): void {
  if (!holds) throw new SaddleError('CONFIG', `Attack "${kind}": ${otherwise}.`)
}
