/** What a running evaluation tells its caller. */
export type EvaluationEvent =
  | {
      readonly kind: 'start'
      readonly dir: string
      readonly model: string
      readonly examples: number
      readonly attacks: readonly string[]
      readonly set: string
      readonly radii: readonly number[]
      readonly workers: number
      readonly backend: string
      readonly remarks: readonly string[]
      /** Blocks found finished in the folder. */
      readonly finished: number
    }
  /** Work done of all there is, in passes of an example; `begun` of it was done before this process. */
  | {
      readonly kind: 'progress'
      readonly attack: string
      readonly done: number
      readonly begun: number
      readonly total: number
    }
  | {
      readonly kind: 'worker-lost'
      readonly reason: string
      readonly task: string
      readonly attempt: number
    }

/** One part of an evaluation: the clean pass, or an attack. */
interface Stage {
  readonly name: string
  /** Passes an example, at most. */
  readonly cost: number
  readonly examples: number
}

/** Joins what workers say of their tasks into one number for a progress bar. */
export class WorkProgress {
  readonly #stages: readonly Stage[]
  readonly #emit: (event: EvaluationEvent) => void
  readonly #total: number
  #done = 0
  #begun = 0
  #stage = 0
  /** Examples of the stage that are finished. */
  #finished = 0
  /** How far each worker is with its task, of `#largest` examples. */
  readonly #parts = new Map<number, number>()
  #largest = 0

  constructor(stages: readonly Stage[], emit: (event: EvaluationEvent) => void) {
    this.#stages = stages
    this.#emit = emit
    this.#total = stages.reduce((sum, { cost, examples }) => sum + cost * examples, 0)
  }

  /** A stage begins; `already` of its examples were finished before. */
  begin(stage: number, already: number): void {
    const { cost } = this.#stages[stage]!
    this.#stage = stage
    this.#finished = already
    this.#parts.clear()
    this.#begun += cost * already
    this.#done += cost * already
    this.#send()
  }

  /** A task of so many examples is finished. */
  finished(stage: number, examples: number): void {
    this.#done += this.#stages[stage]!.cost * examples
    this.#finished += examples
    this.#largest = Math.max(this.#largest, examples)
    this.#parts.clear()
    this.#send()
  }

  /** The worker of that slot is so far with its task, from 0 to 1. */
  inside(slot: number, share: number): void {
    this.#parts.set(slot, share >= 1 ? 0 : share)
    this.#send()
  }

  #send(): void {
    const { name, cost, examples } = this.#stages[this.#stage]!
    const shares = [...this.#parts.values()].reduce((a, b) => a + b, 0)
    // What a worker says may arrive when its task is counted already.
    const inWork = cost * Math.min(examples - this.#finished, shares * this.#largest)
    const done = this.#done + inWork
    this.#emit({ kind: 'progress', attack: name, done, begun: this.#begun, total: this.#total })
  }
}
