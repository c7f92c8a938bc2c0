/**
 * A search for one example as a conversation: a generator that asks for what it cannot compute itself, is given the
 * answer, and returns what it found. `converse` holds many of them at a time and answers all that wait for a pass of
 * the model by one pass, so a search reads as its paper writes it, for one point; which other examples are attacked
 * beside it, and in what order, cannot matter; and one that has returned asks for nothing more.
 */
export type Search<T> = Generator<Ask, T, Answer>

/** What a search waits for. */
type Ask = Pass | Abreast

/** Rows of d numbers, one after another, in chart coordinates. An ask's arrays are read before it is answered. */
export type Pass =
  /** f at every row: costs a query a row. */
  | { readonly kind: 'outputs'; readonly points: Float32Array }
  /** f and ∇⟨cotangent, f⟩ at every row: costs a query and a gradient step a row. */
  | { readonly kind: 'gradient'; readonly points: Float32Array; readonly cotangent: RowCotangent }
  /** The set's `advance` from a point: costs nothing. */
  | {
      readonly kind: 'advance'
      readonly points: Float32Array
      readonly gradient: Float32Array
      readonly step: number
    }

/** Searches of the same example, one at least, that go on side by side: answered, with nothing, when all have returned. */
interface Abreast {
  readonly kind: 'abreast'
  readonly searches: readonly Search<void>[]
}

/** ∂(objective)/∂f at row `row` of an ask, from the outputs there. */
export type RowCotangent = (outputs: Float32Array, row: number) => ArrayLike<number>

export interface Answer {
  /** f at every row asked for; empty for `advance`, and for attacks that are told decisions only. */
  readonly outputs: Float32Array
  /** A flag a row: is the criterion met there. Empty for `advance`. */
  readonly adversarial: Uint8Array
  /** A gradient a row, or the point of `advance`; empty for `outputs`. */
  readonly rows: Float32Array
}

/** f at the rows of `points`, c numbers a row, and whether each is adversarial. */
export function* outputsAt(points: Float32Array): Search<Omit<Answer, 'rows'>> {
  return yield { kind: 'outputs', points }
}

/** Is each row of `points` adversarial: all that a decision-based attack may ask. */
export function* decisionsAt(points: Float32Array): Search<Uint8Array> {
  const { adversarial } = yield { kind: 'outputs', points }
  return adversarial
}

/** f, whether each row of `points` is adversarial, and the gradients of ⟨cotangent, f⟩ in `rows`. */
export function* gradientAt(points: Float32Array, cotangent: RowCotangent): Search<Answer> {
  return yield { kind: 'gradient', points, cotangent }
}

/**
 * Runs searches of one example side by side, so that a pass has the rows of all of them. What they share they write
 * down where all see it; they are answered in their order.
 */
export function* abreast(searches: readonly Search<void>[]): Search<void> {
  if (searches.length > 0) yield { kind: 'abreast', searches }
}

/** P_{B(x_0)}(point + step · u(gradient)): a step of the set. */
export function* advancedFrom(
  points: Float32Array,
  gradient: Float32Array,
  step: number,
): Search<Float32Array> {
  const { rows } = yield { kind: 'advance', points, gradient, step }
  return rows
}
