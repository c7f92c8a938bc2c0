import type { ConfigInput, Ranks, RunSummary, TrainEvent } from '@saddle/distributed'

/** What the command needs of `@saddle/distributed` to train: a seam, so that its logic is tested without training. */
export interface Trainer {
  train(config: ConfigInput, options: TrainerOptions & { out: string }): Promise<RunSummary>
  resume(dir: string, options: TrainerOptions): Promise<RunSummary>
}

export interface TrainerOptions {
  readonly workers?: number
  /** Processes that carry the experiment out together; default: this one alone. */
  readonly ranks?: Ranks
  readonly devices?: 'auto' | readonly string[]
  readonly signal?: AbortSignal
  readonly onEvent?: (event: TrainEvent) => void
}
