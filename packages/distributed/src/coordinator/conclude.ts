import { reportRegret } from '@saddle/core'
import { kindsOf } from '../devices/device.js'
import type { WorkerPool } from '../pool/pool.js'
import { settle } from '../ranks/ranks.js'
import { hashOfAllWeights } from '../ranks/weights.js'
import type { Evaluation, RunSummary } from '../run/events.js'
import { writeJsonAtomic } from '../run/folder.js'
import { version } from '../version.js'
import { evaluatePart } from './evaluate.js'
import type { Session } from './session.js'

/** Evaluates the network on both parts of the data, unless the run was asked to stop, and writes summary.json. */
export async function conclude(session: Session, pool: WorkerPool): Promise<RunSummary> {
  const { dir, config, prepared, devices, ranks } = session.parts
  const { data, loss, parameters } = prepared
  const { evaluation, descent, attack, name } = config
  const train = await evaluate(session, pool, 'train')
  const test = data.test === null ? null : await evaluate(session, pool, 'test')
  const { history } = session
  const weights = await hashOfAllWeights(ranks, parameters, prepared.share)
  return ranks.fromFirst(async () => {
    const summary: RunSummary = {
      name,
      status: session.stopped ? 'stopped' : 'done',
      steps: descent.steps,
      stepsDone: history.step,
      train,
      test,
      worstDistance: history.worstDistance,
      radius: descent.radius,
      projectedShare: history.step === 0 ? 0 : history.projectedSteps / history.step,
      bestLoss: history.bestLoss,
      regret: reportRegret(history.regret),
      seconds: history.seconds,
      cost: history.cost,
      backend: kindsOf(devices).join('+'),
      workers: devices.length,
      ranks: ranks.size,
      precision: config.compute.precision,
      attack,
      evaluationAttack: evaluation.attack,
      errorBound: train === null ? null : Math.min(1, train.robustLoss / loss.wrongAtLeast),
      weights,
      saddle: version,
      node: process.version,
    }
    await writeJsonAtomic(`${dir}/summary.json`, summary)
    return summary
  })
}

/** Null if the run was asked to stop before or meanwhile. */
async function evaluate(
  session: Session,
  pool: WorkerPool,
  part: 'train' | 'test',
): Promise<Evaluation | null> {
  await session.agree({})
  if (session.stopped) return null
  const { config, prepared, ranks, arrangement } = session.parts
  const { value, error } = await settle(() =>
    evaluatePart(pool, ranks, {
      part,
      team: arrangement.sharing.team,
      count: prepared.data[part]!.count,
      shard: config.compute.shard,
      attack: config.evaluation.attack,
      onProgress: (done, total) => session.emit({ kind: 'evaluate', part, done, total }),
    }),
  )
  await session.agree({ error })
  return value ?? null
}
