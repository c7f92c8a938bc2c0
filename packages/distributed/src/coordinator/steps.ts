import { stepSizeAt } from '@saddle/core'
import { writeCheckpoint } from '../checkpoint/checkpoint.js'
import { FORMAT } from '../checkpoint/manifest.js'
import type { WorkerPool } from '../pool/pool.js'
import { settle } from '../ranks/ranks.js'
import { requireEqualWeights } from '../ranks/weights.js'
import { recipeFrom } from '../recipes/recipe.js'
import type { StepRecord } from '../run/events.js'
import type { MetricsLog } from '../run/metrics.js'
import { tensorsOf } from '../run/network.js'
import { version } from '../version.js'
import { remember } from './history.js'
import type { ShardProgress } from './progress.js'
import type { Session } from './session.js'
import { type StepContext, trainStep } from './step.js'
import { bringHome } from './update.js'

/**
 * Steps to the end, or until all ranks agree to stop. The last step always has a checkpoint.
 *
 * @param metrics of rank 0; null on the others
 */
export async function takeSteps(
  session: Session,
  pool: WorkerPool,
  metrics: MetricsLog | null,
  shards: ShardProgress,
): Promise<void> {
  const { history, parts } = session
  const { config, prepared, ranks } = parts
  const { descent, checkpoints, compute } = config
  const context = contextOf(session, pool, shards)
  let saved = history.step
  for (;;) {
    // A request since the last step, that no attack has looked at yet.
    await session.agree({})
    if (session.stopped || history.step >= descent.steps) break
    const { value: record, error } = await settle(() => trainStep(context, history.step))
    await session.agree({ error })
    if (record === undefined) break
    remember(history, record)
    metrics?.append(record)
    logTimes(session, record)
    session.emit({ kind: 'step', record, steps: descent.steps })
    const { step } = history
    const due = step % checkpoints.every === 0 || step === descent.steps
    if (due || (ranks.size > 1 && step % compute.verify === 0)) await compareWeights(session, pool)
    if (due) {
      await save(session, metrics)
      saved = step
    }
  }
  if (session.stopped && (saved < history.step || prepared.checkpoint === null)) {
    await compareWeights(session, pool)
    await save(session, metrics)
  }
}

/** Brings the weights home from devices, and compares them over the ranks. */
async function compareWeights({ history, parts }: Session, pool: WorkerPool): Promise<void> {
  const { prepared, ranks, arrangement } = parts
  await ranks.together(() => bringHome(pool, arrangement.workspace))
  await requireEqualWeights(ranks, prepared.parameters, history.step, prepared.share)
}

function contextOf({ parts }: Session, pool: WorkerPool, shards: ShardProgress): StepContext {
  const { config, prepared, ranks, arrangement } = parts
  const { network, loss, parameters, data } = prepared
  const { descent, attack, compute, seed } = config
  return {
    pool,
    ranks,
    network,
    parameters,
    workspace: arrangement.workspace,
    sharing: arrangement.sharing,
    seed,
    examples: data.train.count,
    batch: descent.batch,
    shard: compute.shard,
    recipe: recipeFrom(attack, descent.steps),
    radius: descent.radius,
    stepSize: step => stepSizeAt(descent.stepSize, step, descent.steps, network, loss),
    onShard: (step, done, total) => shards.shard(step, done, total),
  }
}

/** What the step cost each rank: seconds attacking, and waiting for others beyond that; and bytes sent so far. */
function logTimes({ parts }: Session, { step, seconds }: StepRecord): void {
  const { ranks, arrangement, logger } = parts
  const { dealing } = arrangement.sharing
  if (dealing === null || !ranks.isFirst) return
  const { bytes, seconds: communicating } = ranks.collective.traffic
  logger.debug('ranks', { step, seconds, ...dealing.times, communicating, bytes })
}

async function save(session: Session, metrics: MetricsLog | null): Promise<void> {
  const { dir, config, prepared, ranks, arrangement, logger } = session.parts
  const { parameters, network, data, configHash } = prepared
  session.saving = true
  try {
    await ranks.together(() => metrics?.flush())
    const path = await writeCheckpoint(
      dir,
      {
        format: FORMAT,
        ...session.history,
        network: network.spec,
        configHash,
        dataHash: data.hash,
        metricsBytes: metrics?.bytes ?? 0,
        saddle: version,
        node: process.version,
      },
      tensorsOf(
        parameters,
        arrangement.workspace.carried,
        prepared.share !== null && ranks.size > 1,
      ),
      config.checkpoints.keep,
      ranks,
    )
    logger.info('checkpoint', { step: session.history.step, path })
    session.emit({ kind: 'checkpoint', step: session.history.step, path })
  } finally {
    session.saving = false
  }
}
