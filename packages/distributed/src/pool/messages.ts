import type { AttackSpec } from '@saddle/attacks'
import type {
  Dataset,
  NetworkSpec,
  OutputComparison,
  Parameters,
  Precision,
  ProposalSums,
  SetSpec,
} from '@saddle/core'
import type { Device } from '../devices/device.js'
import type { SlotTable } from '../devices/slots.js'
import type {
  CleanReply,
  CleanTask,
  EvaluationSetup,
  SearchReply,
  SearchTask,
} from '../evaluation/messages.js'
import type { MemoryAddress } from '../memory/mapped.js'
import type { Cost } from '../recipes/cost.js'
import type { StepRecipe } from '../recipes/recipe.js'
import type { Workspace } from '../replica/workspace.js'
import type { Team } from '../team/team.js'

/** What any worker needs; arrays are shared, not copied. Posted once, as `workerData`. */
export interface PoolSetup {
  /** What the worker that holds slot i computes on. */
  readonly devices: readonly Device[]
  readonly slots: SlotTable
  /** Present where a device lives in a process: the arrays below are then places in this memory. */
  readonly memory: SharedMemory | null
  /** Seconds without a sign of life after which a process is given up. */
  readonly deadline: number
  /** The module that such a process runs; the default is Saddle's own. It must call `serve`. */
  readonly laneFile: string | null
  /** Limit of such a process's JavaScript heap in MiB; null: Node's own. */
  readonly heapMiB: number | null
  /** [0] is 1 once the run is to stop. */
  readonly stop: Int32Array<SharedArrayBuffer>
}

/** Everything a worker of a training needs besides its tasks. */
export interface WorkerSetup extends PoolSetup {
  readonly seed: number
  readonly network: NetworkSpec
  readonly parameters: Parameters
  /** W† of the regret monitor. */
  readonly comparator: Parameters | null
  readonly loss: string
  readonly set: SetSpec
  /** What products of the search for x'_i round to. */
  readonly precision: Precision
  readonly train: Dataset
  readonly test: Dataset | null
  readonly workspace: Workspace
  /** What workers share that split the neurons; null where they split examples. */
  readonly team: Team | null
}

/** Memory mapped by every process of a run. */
interface SharedMemory extends MemoryAddress {
  /** What a child process inherits, to map it too. */
  readonly fd: number
}

/** Attack examples order[start..stop) of the batch and write their share of the gradient. */
export interface AttackTask {
  readonly kind: 'attack'
  readonly step: number
  readonly recipe: StepRecipe
  readonly start: number
  readonly stop: number
  /** Examples in the batch: every gradient is divided by it. */
  readonly batch: number
  /** Place of the first example in the window of factors. */
  readonly offset: number
  /** Which staging buffer takes dense gradients. */
  readonly staging: number
}

/** Attack examples order[start..stop) together with the other members of a team, each with neurons of its own. */
export interface TeamTask {
  readonly kind: 'team'
  readonly step: number
  readonly recipe: StepRecipe
  readonly start: number
  readonly stop: number
  readonly batch: number
  /** Place of the first example in the window of factors. */
  readonly offset: number
  /** Which of the batch's shards this is, and how many there are: dense gradients are summed from one to the next. */
  readonly shard: number
  readonly shards: number
  /** Which member of the team takes this task, and how many it has. */
  readonly member: number
  readonly members: number
}

/** Clean and robust figures of examples start..stop of one part of the data. */
export interface EvaluateTask {
  readonly kind: 'evaluate'
  readonly part: 'train' | 'test'
  readonly attack: AttackSpec
  readonly start: number
  readonly stop: number
}

/** The same figures, found together with the other members of a team, each with neurons of its own. */
export interface TeamEvaluateTask extends Omit<EvaluateTask, 'kind'> {
  readonly kind: 'team-evaluate'
  readonly member: number
  readonly members: number
}

/** Sum the window's factors into rows start..stop of the staging buffer. */
export interface CombineTask {
  readonly kind: 'combine'
  readonly matrix: number
  readonly start: number
  readonly stop: number
  readonly shards: readonly WindowShard[]
}

/** The two phases of the update (see core/descent), rows start..stop of one matrix. */
export interface ProposeTask {
  readonly kind: 'propose'
  readonly matrix: number
  readonly start: number
  readonly stop: number
  readonly stepSize: number
  /** The window's shards in example order where the gradient is still in factors; null: it is in the accumulator. */
  readonly shards: readonly WindowShard[] | null
}

/** The first phase of an update that devices make: of one whole matrix, by whichever device is free. */
export interface ProposeOnDeviceTask {
  readonly kind: 'propose-on-device'
  readonly matrix: number
  readonly stepSize: number
  readonly window: readonly WindowShard[]
}

/** Copy D of a matrix that devices update into the host's `weights`, from where `settle` takes it. */
export interface FetchTask {
  readonly kind: 'fetch'
  readonly matrix: number
}

export interface SettleTask {
  readonly kind: 'settle'
  readonly matrix: number
  readonly start: number
  readonly stop: number
  readonly scale: number
}

/** Examples offset..offset+count of the window were delivered together: a shard, or a chunk of one. */
export interface WindowShard {
  readonly offset: number
  readonly count: number
}

export type TrainingTask =
  | AttackTask
  | TeamTask
  | EvaluateTask
  | TeamEvaluateTask
  | CombineTask
  | ProposeTask
  | ProposeOnDeviceTask
  | FetchTask
  | SettleTask

export type Task = TrainingTask | CleanTask | SearchTask

/** Tasks that all workers do together. */
export type TogetherTask = TeamTask | TeamEvaluateTask

/** What all of them do; the pool says who is which member. */
export type TeamOrder =
  | Omit<TeamTask, 'member' | 'members'>
  | Omit<TeamEvaluateTask, 'member' | 'members'>

/** What a pool is for: a training, or the evaluation of a model. */
export type AnySetup = WorkerSetup | EvaluationSetup

/** Per example, in the order of the task's examples. */
export interface AttackReply {
  readonly losses: Float32Array
  /** 1 where the attacked point is classified rightly. */
  readonly correct: Uint8Array
  /** With a comparator: the two networks on the attacked points. */
  readonly comparison: OutputComparison | null
  readonly cost: Cost
  /** δ for the next step, [examples, d], if the recipe carries one. */
  readonly carried: Float32Array | null
}

export interface EvaluateReply {
  readonly cleanLosses: Float32Array
  readonly cleanCorrect: Uint8Array
  readonly robustLosses: Float32Array
  readonly robustCorrect: Uint8Array
}

export interface Replies {
  readonly attack: AttackReply
  /** The same from every member. */
  readonly team: AttackReply
  readonly evaluate: EvaluateReply
  /** The same from every member. */
  readonly 'team-evaluate': EvaluateReply
  readonly combine: null
  readonly propose: ProposalSums
  readonly 'propose-on-device': ProposalSums
  readonly fetch: null
  readonly settle: null
  readonly clean: CleanReply
  readonly search: SearchReply
}

/** What a worker may call on the coordinator, over Comlink. */
export interface Host {
  /** Gradient steps done of the attack on the current shard. */
  progress(slot: number, done: number, total: number): void
  /** The worker is up: its slot, its device, and the process that it lives in, if that is its own. */
  ready(slot: number, device: string, lane: LaneProcess | null): void
}

/** A process of a worker's own, as it described itself. */
export interface LaneProcess {
  readonly pid: number
  /** The CUDA_VISIBLE_DEVICES that it got. */
  readonly visible: string | null
}

/** Says that the members of a team wait for other ranks; how long their sum is, is in the team's words. */
export interface ArrivedMessage {
  readonly saddleArrived: true
}

/** How a worker hands its end of the Comlink channel to the coordinator. */
export interface ChannelMessage {
  readonly saddleChannel: import('node:worker_threads').MessagePort
}
