import type { GroupDistance, RegretReport, RegretTerms } from '@saddle/core'
import type { Config } from '../config/schema.js'
import type { Travel } from '../ranks/travel.js'
import type { Cost, ExpectedCost } from '../recipes/cost.js'
import type { Split } from '../team/split.js'

/** One line of metrics.jsonl: what was measured at W_t, before step t was taken. */
export interface StepRecord {
  readonly step: number
  /** L_A(W_t) over the batch: the mean loss at the attacked points, or what else its recipe trains. */
  readonly loss: number
  /** Share of the batch that is classified rightly at the attacked points. */
  readonly robustAccuracy: number
  readonly stepSize: number
  /** ‖∇L_A(W_t)‖_F. */
  readonly gradientNorm: number
  /** After the step, i.e. of W_{t+1}. */
  readonly distances: readonly GroupDistance[]
  readonly projected: boolean
  /** What the step cost, over the examples of its batch. */
  readonly cost: Cost
  readonly regret?: RegretTerms
  /** Wall-clock seconds of this step; the only field that differs between equal runs. */
  readonly seconds: number
}

/** Clean and robust figures on one part of the data. */
export interface Evaluation {
  readonly examples: number
  readonly cleanLoss: number
  readonly cleanAccuracy: number
  readonly robustLoss: number
  readonly robustAccuracy: number
}

/** summary.json: what a run came to. */
export interface RunSummary {
  readonly name: string
  readonly status: 'done' | 'stopped'
  readonly steps: number
  readonly stepsDone: number
  readonly train: Evaluation | null
  readonly test: Evaluation | null
  /** Largest distance over groups, against R (null: not projected). */
  readonly worstDistance: number
  readonly radius: number | null
  /** Share of steps on which the projection acted. */
  readonly projectedShare: number
  /** The least L_A over the steps' batches: min_t L_A(W_t), the theorems' quantity, when batches are full. */
  readonly bestLoss: number
  /** The regret monitor (C4) over the steps so far; null without a comparator. */
  readonly regret: RegretReport | null
  readonly seconds: number
  /** What the steps cost. */
  readonly cost: Cost
  /** What the devices are, such as `blas` or `blas+cuda`. */
  readonly backend: string
  /** Of each rank, if there are several. */
  readonly workers: number
  readonly ranks: number
  /** What products of the attack rounded to while training; every figure here is of float32. */
  readonly precision: Config['compute']['precision']
  readonly attack: Config['attack']
  readonly evaluationAttack: Config['evaluation']['attack']
  /** robustLoss/c0: the share of examples that a loss of `robustLoss` allows to be misclassified. */
  readonly errorBound: number | null
  /** SHA-256 of the final weights. */
  readonly weights: string
  readonly saddle: string
  readonly node: string
}

/** What a running job tells its caller. */
export type TrainEvent =
  | {
      readonly kind: 'start'
      readonly dir: string
      readonly config: Config
      readonly fromStep: number
      /** Of this rank. */
      readonly workers: number
      /** Processes that train together. */
      readonly ranks: number
      /** What an example of a batch will cost, at most. */
      readonly cost: ExpectedCost
      /** How gradients get from rank to rank, with the bytes that a rank sends a step; none on one rank. */
      readonly travels: readonly Travel[]
      /** What the devices are, such as `blas` or `blas+cuda`. */
      readonly backend: string
      /** One a worker. */
      readonly devices: readonly string[]
      /** What products of the attack round to. */
      readonly precision: Config['compute']['precision']
      /** Why `auto` passed other backends over. */
      readonly passedOver: readonly { readonly name: string; readonly reason: string }[]
      /** What workers share out between them, with the numbers sent a step that decided. */
      readonly split: Split
      /** How gradients travel, by matrix: factors or dense, with the bytes that decided. */
      readonly plan: readonly {
        readonly matrix: string
        readonly form: 'factors' | 'dense'
        readonly factorBytes: number
        readonly denseBytes: number
      }[]
    }
  /** Live progress inside a step: shards finished of this step. */
  | { readonly kind: 'shard'; readonly step: number; readonly done: number; readonly total: number }
  | { readonly kind: 'step'; readonly record: StepRecord; readonly steps: number }
  | { readonly kind: 'checkpoint'; readonly step: number; readonly path: string }
  | {
      readonly kind: 'evaluate'
      readonly part: 'train' | 'test'
      readonly done: number
      readonly total: number
    }
  | {
      readonly kind: 'worker-lost'
      readonly reason: string
      readonly task: string
      readonly attempt: number
    }
  /** Something a person should know before the run goes on, such as memory that may not suffice. */
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'done'; readonly summary: RunSummary }
