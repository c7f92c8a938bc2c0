import type { Row } from './rows.js'

/** What an attack on distances needs of a norm on R^d. */
export interface Norm {
  readonly name: 'l1' | 'l2' | 'linf'
  /** ‖v‖. */
  of(v: Row): number
  /** ‖a − b‖. */
  distance(a: Row, b: Row): number
  /** The dual norm of w: the distance to {⟨w, x⟩ = b} is |⟨w, x⟩ − b| over it. */
  dual(w: Row): number
}

const sum = (v: Row) => {
  let total = 0
  for (let j = 0; j < v.length; j++) total += Math.abs(v[j]!)
  return total
}

const largest = (v: Row) => {
  let most = 0
  for (let j = 0; j < v.length; j++) most = Math.max(most, Math.abs(v[j]!))
  return most
}

const root = (v: Row) => {
  let total = 0
  for (let j = 0; j < v.length; j++) total += v[j]! * v[j]!
  return Math.sqrt(total)
}

function normOf(name: Norm['name'], of: Norm['of'], dual: Norm['dual']): Norm {
  const distance = (a: Row, b: Row) => {
    const v = new Float64Array(a.length)
    for (let j = 0; j < v.length; j++) v[j] = a[j]! - b[j]!
    return of(v)
  }
  return { name, of, distance, dual }
}

export const l1: Norm = normOf('l1', sum, largest)
export const l2: Norm = normOf('l2', root, root)
export const linf: Norm = normOf('linf', largest, sum)
