import {
  type Network,
  type Parameters,
  regretTerms,
  SaddleError,
  type StepComparison,
  sumOutputComparisons,
} from '@saddle/core'
import type { AttackReply } from '../pool/messages.js'
import type { WorkerPool } from '../pool/pool.js'
import type { Ranks } from '../ranks/ranks.js'
import { addCosts } from '../recipes/cost.js'
import type { Recipe } from '../recipes/recipe.js'
import type { Workspace } from '../replica/workspace.js'
import type { StepRecord } from '../run/events.js'
import { batchAt } from './batches.js'
import { batchGradient, type Sharing } from './gradient.js'
import { sum } from './sums.js'
import { updateWeights } from './update.js'

/** What every step of a run has in common. */
export interface StepContext {
  readonly pool: WorkerPool
  readonly ranks: Ranks
  readonly network: Network
  readonly parameters: Parameters
  readonly workspace: Workspace
  readonly sharing: Sharing
  readonly seed: number
  /** Examples in the training part. */
  readonly examples: number
  readonly batch: 'full' | number
  readonly shard: number
  readonly recipe: Recipe
  readonly radius: number | null
  readonly stepSize: (step: number) => number
  readonly onShard: (step: number, done: number, total: number) => void
}

/**
 * One step of projected gradient descent on the surrogate loss (Definition 3.3):
 *
 *   x'_i = A(W_t, x_i),   V = W_t − α ∇L_A(W_t),   W_{t+1} = P(V)
 *
 * where a recipe may put another objective for L_A, and carry a perturbation to the next step. A STOPPED error leaves
 * W_t and what is carried as they were: the attack can be interrupted, the update can't.
 */
export async function trainStep(context: StepContext, step: number): Promise<StepRecord> {
  const { pool, ranks, network, parameters, workspace, sharing, seed, examples } = context
  const { shard, recipe, radius } = context
  const started = performance.now()
  const order = batchAt(recipe.batchOf(step), examples, context.batch, seed)
  workspace.order.set(order)
  const n = order.length
  // No rank begins an update that another, stopped or failed in its attack, would not make.
  const { replies, window, loss } = await ranks.together(async () => {
    const gradient = await batchGradient(pool, workspace, sharing, {
      step,
      batch: n,
      shard,
      recipe: recipe.at(step),
      onShard: (done, total) => context.onShard(step, done, total),
    })
    const loss = total(gradient.replies, r => r.losses) / n
    requireFinite(loss, step, order, gradient.replies)
    return { ...gradient, loss }
  })
  const stepSize = context.stepSize(step)
  const update = await updateWeights(pool, network, parameters, workspace, {
    stepSize,
    radius,
    ranks: sharing.team !== null && ranks.size > 1 ? ranks : null,
    window,
  })
  carry(workspace, replies)
  const regret = regretOf(replies, update.comparison)
  return {
    step,
    loss,
    robustAccuracy: total(replies, r => r.correct) / n,
    stepSize,
    gradientNorm: update.gradientNorm,
    distances: update.distances,
    projected: update.projected,
    cost: addCosts(replies.map(r => r.cost)),
    ...(regret === null ? {} : { regret }),
    seconds: (performance.now() - started) / 1000,
  }
}

/** Puts what the shards carry on in the places of their examples. */
function carry({ carried }: Workspace, replies: readonly AttackReply[]): void {
  let at = 0
  for (const reply of replies) {
    if (reply.carried === null) continue
    carried!.data.set(reply.carried, at)
    at += reply.carried.length
  }
}

function regretOf(replies: readonly AttackReply[], step: StepComparison | null) {
  const outputs = replies.flatMap(r => (r.comparison === null ? [] : [r.comparison]))
  return step === null ? null : regretTerms(sumOutputComparisons(outputs), step)
}

function total(replies: readonly AttackReply[], pick: (reply: AttackReply) => ArrayLike<number>) {
  return replies.reduce((s, reply) => s + sum(pick(reply)), 0)
}

function requireFinite(
  loss: number,
  step: number,
  order: Int32Array,
  replies: readonly AttackReply[],
): void {
  if (Number.isFinite(loss)) return
  const losses = replies.flatMap(r => [...r.losses])
  const example = order[losses.findIndex(l => !Number.isFinite(l))]
  throw new SaddleError(
    'NUMERIC',
    `The loss is not finite at step ${step} (first at example ${example}). The step size is probably too large for ` +
      'this width and loss: lower descent.stepSize (or use `theory`), or set descent.radius. Checkpoints before this ' +
      'step are intact.',
    { step, example },
  )
}
