import { type Attackable, bindNetwork } from '@saddle/attacks'
import {
  type Follower,
  matricesChanged,
  type Network,
  networkFrom,
  SaddleError,
} from '@saddle/core'
import type {
  AttackReply,
  AttackTask,
  EvaluateReply,
  EvaluateTask,
  FetchTask,
  Replies,
  Task,
  TeamEvaluateTask,
  TeamTask,
  TrainingTask,
  WorkerSetup,
} from '../pool/messages.js'
import { Exchange } from '../team/exchange.js'
import { memberPasses } from '../team/member.js'
import { SlicedNetwork, type SliceFollowers } from '../team/sliced-network.js'
import { advised } from './advice.js'
import { DeviceWeights } from './device-weights.js'
import { Rows } from './row-work.js'
import { Shards } from './shard-work.js'
import { stopSignal, wholePasses } from './whole.js'

/**
 * A copy of the run inside one thread or process: what can be done to the weights and to a shard of examples.
 *
 * All workers of a machine share one set of weights, so a replica holds none of its own. Every method can be called again with
 * the same arguments after a worker died in the middle of it: outputs are only ever overwritten with the same bits, and
 * `settle` goes on where its journal says.
 */
export class Replica {
  readonly #setup: WorkerSetup
  readonly #network: Network
  readonly #shards: Shards
  readonly #rows: Rows
  readonly #model: Attackable
  /** Passes whose buffers serve every attack of this thread on all neurons, and on slices of them. */
  readonly #follower: Follower
  readonly #slices: SliceFollowers = new Map()
  readonly #onDevice: DeviceWeights
  /** Of the weights that this thread's device may have a copy of. */
  #version = 0

  constructor(setup: WorkerSetup, onProgress: (done: number, total: number) => void = () => {}) {
    this.#setup = setup
    this.#onDevice = new DeviceWeights(setup)
    this.#network = networkFrom(setup.network)
    this.#shards = new Shards(setup, onProgress)
    this.#rows = new Rows(setup)
    const follower = this.#network.follow(setup.parameters)
    const model = bindNetwork(this.#network, setup.parameters)
    this.#follower = follower
    this.#model = { ...model, follow: () => follower.inputGradient }
  }

  run(task: Task): Replies[TrainingTask['kind']] {
    switch (task.kind) {
      case 'attack':
        return this.attack(task)
      case 'team':
        return this.attackTogether(task)
      case 'evaluate':
        return this.evaluate(task)
      case 'team-evaluate':
        return this.evaluateTogether(task)
      case 'combine':
        return this.#rows.combine(task)
      case 'propose':
        return this.#rows.propose(task)
      case 'propose-on-device':
        return this.#onDevice.propose(task)
      case 'fetch':
        return this.fetch(task)
      case 'settle':
        return this.#rows.settle(task)
      case 'clean':
      case 'search':
        throw new SaddleError('WORKER', `A training has no tasks of kind "${task.kind}".`)
    }
  }

  /** x'_i = A(W, x_i), then the factors of (1/n) Σ ℓ'_i ∇_W f(W, x'_i) with x'_i held fixed. */
  attack(task: AttackTask): AttackReply {
    this.#follower.forget()
    this.#lookAtWeights()
    const passes = { model: this.#model, follower: this.#follower }
    return advised(task.stop - task.start, () =>
      this.#shards.attack(task, wholePasses(this.#network, this.#setup, task, passes)),
    )
  }

  /** The same, together with the other members of a team: the gradient of this member's neurons. */
  attackTogether(task: TeamTask): AttackReply {
    this.#lookAtWeights()
    return advised(task.stop - task.start, () =>
      this.#shards.attack(task, memberPasses(this.#network, this.#setup, task, this.#slices)),
    )
  }

  evaluate(task: EvaluateTask): EvaluateReply {
    this.#follower.forget()
    this.#lookAtWeights()
    const whole = { signal: stopSignal(this.#setup.stop), reports: true }
    return advised(task.stop - task.start, () => this.#shards.evaluate(task, this.#model, whole))
  }

  /** The same, together with the other members of a team: this member's neurons. */
  evaluateTogether(task: TeamEvaluateTask): EvaluateReply {
    this.#lookAtWeights()
    const { parameters, stop } = this.#setup
    const team = this.#setup.team!
    const model = new SlicedNetwork(
      this.#network,
      parameters,
      team,
      new Exchange(team, task, stop),
      {
        examples: task.stop - task.start,
        followers: this.#slices,
      },
    )
    // The barrier of every pass looks at the stop flag, for all members at once.
    return this.#shards.evaluate(task, model, { signal: null, reports: task.member === 0 })
  }

  /** D as the device has it, in the place of a proposal that `settle` accepts with scale 1. */
  fetch({ matrix }: FetchTask): null {
    const { parameters, workspace } = this.#setup
    workspace.matrices[matrix]!.journal.fill(0)
    this.#onDevice.read(matrix, parameters.trained[matrix]!.weights.data)
    return null
  }

  /**
   * Makes the weights that this thread's device has those of now: what it updates itself is brought up to date, other
   * copies are forgotten if the weights have changed since. Nothing changes them while tasks read them.
   */
  #lookAtWeights(): void {
    const { parameters, workspace } = this.#setup
    const version = Atomics.load(workspace.version, 0)
    if (version !== this.#version) {
      const sent = parameters.trained.filter((_, i) => !workspace.matrices[i]!.onDevice)
      matricesChanged(sent.map(m => m.weights))
    }
    this.#version = version
    this.#onDevice.catchUp()
  }
}
