import { join } from 'node:path'
import { train } from '@saddle/distributed'
import { mark, peakMemory, since } from './timing.mjs'

/**
 * The command `train`: starts a run through the public `train()` and holds it after every step until the next
 * command. `step` lets one step through and answers with its time; `memory` with the peak so far; anything else ends
 * the process, because a run that is only stopped would write its checkpoint first.
 *
 * A step's time is all that passes from one event to the next: metrics are included, checkpoints don't fall due.
 */
export function trainCommand({ read, reply }) {
  return async ({ config, threads, folder }) => {
    let began = mark()
    const onEvent = event => {
      if (event.kind !== 'step') return
      const { step, loss, projected, stepSize } = event.record
      reply({ ...since(began), step, loss, projected, stepSize })
      let command = read()
      while (command.op === 'memory') {
        reply({ bytes: peakMemory() })
        command = read()
      }
      if (command.op !== 'step') process.exit(0)
      began = mark()
    }
    await train(config, { out: join(folder, 'run'), workers: threads, onEvent })
    process.exit(0)
  }
}
