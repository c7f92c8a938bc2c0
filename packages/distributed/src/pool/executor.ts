import { Evaluator } from '../evaluation/evaluator.js'
import { Replica } from '../replica/replica.js'
import type { AnySetup, Task } from './messages.js'

/** What does the tasks of a setup in this thread or process: training steps, or the evaluation of a model. */
export interface Executor {
  run(task: Task): unknown
}

export function executorOf(
  setup: AnySetup,
  onProgress: (done: number, total: number) => void,
): Executor {
  return 'evaluation' in setup ? new Evaluator(setup, onProgress) : new Replica(setup, onProgress)
}
