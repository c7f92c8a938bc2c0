import type { TrainEvent } from '@saddle/distributed'

/** Where a training stands: what a bar or a line shows, gathered from its events. */
export interface ProgressState {
  readonly phase: 'waiting' | 'training' | 'evaluating' | 'done'
  /** Steps done, with the share of the step in work: 34.5 of `steps`. */
  readonly done: number
  readonly steps: number
  readonly loss: number | null
  /** Share of the batch that is right at the attacked points. */
  readonly robustAccuracy: number | null
  /** Distance of the worst group from the start, to compare with `radius`; null before the first step. */
  readonly distance: number | null
  readonly radius: number | null
  /** Seconds until the last step is done, evaluation not counted; null before the first step. */
  readonly secondsLeft: number | null
  /** `train`, 128 of 512 examples. */
  readonly evaluating: { readonly part: string; readonly done: number; readonly total: number }
  /** Seconds of the latest steps, newest last. */
  readonly recent: readonly number[]
}

export const waiting: ProgressState = {
  phase: 'waiting',
  done: 0,
  steps: 0,
  loss: null,
  robustAccuracy: null,
  distance: null,
  radius: null,
  secondsLeft: null,
  evaluating: { part: 'train', done: 0, total: 0 },
  recent: [],
}

/** Steps whose mean duration predicts the rest: enough to smooth, few enough to follow a change of load. */
const RECENT = 20

/** The state after `event`. */
export function advance(state: ProgressState, event: TrainEvent): ProgressState {
  switch (event.kind) {
    case 'start': {
      const { steps, radius } = event.config.descent
      return { ...waiting, phase: 'training', done: event.fromStep, steps, radius }
    }
    case 'shard':
      return { ...state, done: event.step + event.done / event.total }
    case 'step': {
      const { step, loss, robustAccuracy, distances, seconds } = event.record
      const recent = [...state.recent, seconds].slice(-RECENT)
      const done = step + 1
      return {
        ...state,
        done,
        steps: event.steps,
        loss,
        robustAccuracy,
        distance: Math.max(...distances.map(d => d.distance)),
        secondsLeft: ((event.steps - done) * sum(recent)) / recent.length,
        recent,
      }
    }
    case 'evaluate': {
      const { part, done, total } = event
      return { ...state, phase: 'evaluating', evaluating: { part, done, total } }
    }
    case 'done':
      return { ...state, phase: 'done' }
    case 'checkpoint':
    case 'worker-lost':
    case 'warning':
      return state
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
