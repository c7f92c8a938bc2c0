import type { StepRecipe } from './recipe.js'
import { deliverAt, rowsIn, type ShardDone, type ShardWork } from './shard.js'

/** x' = A(W, x), then the gradient of (1/batch) Σ ℓ(f(x'), y) in W with x' held fixed. */
export function attacked(
  { attack }: Extract<StepRecipe, { kind: 'attack' }>,
  work: ShardWork,
): ShardDone {
  const { set, loss, y } = work
  // Any point of B(x) is an attack's: only the search may round. Gradient, loss and accuracy there are float32.
  const seen = set.embed(work.search(attack))
  const outputs = deliverAt(work, seen, 0, (f, rows) => loss.derivative(f, rowsIn(y, rows)))
  return { seen, outputs, losses: loss.value(outputs, y), carried: null }
}
