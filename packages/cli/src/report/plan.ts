import type { PlannedQuantity, TheoremPlan } from '@saddle/core'
import type { Terminal } from '../terminal.js'

const TITLES = {
  '4.1': 'Theorem 4.1: deep relu networks, equation (1)',
  '5.1': 'Theorem 5.1: two-layer networks, equation (4)',
} as const

const STANDING = {
  proven: 'proven',
  derived: 'derived, given what the note says',
  unknown: 'constant unknown, set to 1',
} as const

/** A plan for people: what was put in, and every number with its formula and how far its constant can be trusted. */
export function describePlan(plan: TheoremPlan, { out }: Terminal): string {
  const { bold, dim, yellow } = out.colours
  const given = Object.entries(plan.inputs).map(([symbol, value]) => `${symbol} = ${number(value)}`)
  const lines = plan.quantities.flatMap(({ symbol, meaning, value, formula, constant, note }) => [
    `  ${bold(`${symbol} = ${number(value)}`)}  ${meaning}`,
    `      ${formula}  ${constant === 'unknown' ? yellow(standing(constant)) : standing(constant)}`,
    dim(`      ${note}`),
  ])
  return `${[
    bold(TITLES[plan.theorem]),
    `for ${given.join(', ')}`,
    'asks for this, so that min over t < T of L_A(W_t) ≤ L_*(W†) + ε, for every attack A and W† in B(R):',
    '',
    ...lines,
  ].join('\n')}\n`
}

function standing(constant: PlannedQuantity['constant']): string {
  return `[${STANDING[constant]}]`
}

/** Whole numbers in full up to a billion, others with three digits. */
function number(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString('en-US')
  return Math.abs(value) >= 1e9 || Math.abs(value) < 1e-3
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)))
}
