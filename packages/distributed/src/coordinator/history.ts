import { initialRegret, type RegretState, updateRegret } from '@saddle/core'
import type { CheckpointState } from '../checkpoint/checkpoint.js'
import { addCosts, type Cost, noCost } from '../recipes/cost.js'
import type { StepRecord } from '../run/events.js'

/** What a run remembers from step to step; all of it is in every checkpoint. */
export interface History {
  step: number
  projectedSteps: number
  bestLoss: number
  worstDistance: number
  seconds: number
  /** Of all steps. */
  cost: Cost
  regret: RegretState
}

/** As the checkpoint left it; that of a run at its start without one. */
export function historyFrom(checkpoint: CheckpointState | null): History {
  return {
    step: checkpoint?.step ?? 0,
    projectedSteps: checkpoint?.projectedSteps ?? 0,
    bestLoss: checkpoint?.bestLoss ?? Number.POSITIVE_INFINITY,
    worstDistance: checkpoint?.worstDistance ?? 0,
    seconds: checkpoint?.seconds ?? 0,
    cost: checkpoint?.cost ?? noCost,
    regret: (checkpoint?.regret as RegretState | null | undefined) ?? initialRegret,
  }
}

/** Takes in a step that is done. */
export function remember(history: History, record: StepRecord): void {
  history.step = record.step + 1
  history.projectedSteps += record.projected ? 1 : 0
  history.bestLoss = Math.min(history.bestLoss, record.loss)
  history.worstDistance = Math.max(...record.distances.map(d => d.distance))
  history.seconds += record.seconds
  history.cost = addCosts([history.cost, record.cost])
  if (record.regret !== undefined)
    history.regret = updateRegret(history.regret, record.regret, record)
}
