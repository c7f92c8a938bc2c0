import type { AttackSpec } from '@saddle/attacks'
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
  readonly attack: AttackSpec
  readonly radius: number | null
  readonly stepSize: (step: number) => number
  readonly onShard: (step: number, done: number, total: number) => void
}

/**
 * One step of projected gradient descent on the surrogate loss (Definition 3.3):
 *
 *   x'_i = A(W_t, x_i),   V = W_t − α ∇L_A(W_t),   W_{t+1} = P(V)
 *
 * A STOPPED error leaves W_t as it was: the attack can be interrupted, the update can't.
 */
export async function trainStep(context: StepContext, step: number): Promise<StepRecord> {
  const { pool, ranks, network, parameters, workspace, sharing, seed, examples } = context
  const { shard, attack, radius } = context
  const started = performance.now()
  const order = batchAt(step, examples, context.batch, seed)
  workspace.order.set(order)
  const n = order.length
  // No rank begins an update that another, stopped or failed in its attack, would not make.
  const { replies, window, loss } = await ranks.together(async () => {
    const gradient = await batchGradient(pool, workspace, sharing, {
      step,
      batch: n,
      shard,
      attack,
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
  const regret = regretOf(replies, update.comparison)
  return {
    step,
    loss,
    robustAccuracy: total(replies, r => r.correct) / n,
    stepSize,
    gradientNorm: update.gradientNorm,
    distances: update.distances,
    projected: update.projected,
    ...(regret === null ? {} : { regret }),
    seconds: (performance.now() - started) / 1000,
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
