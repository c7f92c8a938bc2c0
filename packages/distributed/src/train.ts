import { join } from 'node:path'
import { absolutePaths } from './config/files.js'
import { parseConfig } from './config/parse.js'
import type { ConfigInput } from './config/schema.js'
import { beginRun, carryOut, type RunOptions } from './coordinator/run.js'
import { movedTo, onDevices } from './devices/change.js'
import { endTogether } from './ranks/end.js'
import { openRanks } from './ranks/open.js'
import type { RunSummary } from './run/events.js'
import { createRunFolder, openRunFolder, refuseExistingRun } from './run/folder.js'
import { withRunFolder } from './run/lock.js'

export interface TrainOptions extends RunOptions {
  /** The run folder to create; default: runs/NAME-TIME under the current folder. */
  readonly out?: string
}

/**
 * Trains a network against an adversary: min over W in B(R) of (1/n) Σ ℓ(f(W, A(W, x_i)), y_i), by projected
 * gradient descent (Gao et al. 2019, Section 3), the inner maximisation split over a pool of worker threads.
 *
 * Writes a run folder: config.yaml, metrics.jsonl, log.jsonl, checkpoints/, summary.json.
 *
 * @example
 * const summary = await train({
 *   data: { source: { kind: 'mnist' }, classes: [3, 8], count: 512, testCount: 512 },
 *   network: { width: 2048 },
 *   perturbation: { kind: 'cap', radius: 0.2 },
 *   descent: { steps: 100, stepSize: 2 },
 * })
 *
 * @throws SaddleError CONFIG, DATA, INCOMPATIBLE, BACKEND before anything is trained; DISK, NUMERIC, WORKER while
 *   training, with the checkpoints written so far intact.
 */
export async function train(config: ConfigInput, options: TrainOptions = {}): Promise<RunSummary> {
  const ranks = options.ranks ?? (await openRanks())
  return endTogether(ranks, async () => {
    const resolved = await ranks.together(() =>
      absolutePaths(
        onDevices(parseConfig(config), options.devices),
        options.directory ?? process.cwd(),
      ),
    )
    const dir = await ranks.fromFirst(async () => {
      const out = options.out ?? join('runs', `${resolved.name}-${timestamp()}`)
      await refuseExistingRun(out)
      return out
    })
    const begun = await beginRun(dir, resolved, options, ranks)
    await ranks.fromFirst(() => createRunFolder(dir, begun.config))
    return withRunFolder(dir, () => carryOut(dir, begun, options, ranks), ranks)
  })
}

/**
 * Goes on with a run from its newest checkpoint, to the same bits as if it had never been interrupted. A run that
 * is done is evaluated again and returns the same summary.
 *
 * @throws SaddleError CONFIG if `dir` is no run folder, another process is at work in it, or `options.devices` would change its
 *   bits; CHECKPOINT if its newest checkpoint is damaged or belongs
 *   to other data or another configuration.
 */
export async function resume(dir: string, options: RunOptions = {}): Promise<RunSummary> {
  const ranks = options.ranks ?? (await openRanks())
  return endTogether(ranks, async () => {
    const config = await ranks.together(async () =>
      movedTo((await openRunFolder(dir)).config, options.devices),
    )
    const work = async () =>
      carryOut(dir, await beginRun(dir, config, options, ranks), options, ranks)
    return withRunFolder(dir, work, ranks)
  })
}

/** yyyymmdd-hhmmss, local time. */
function timestamp(): string {
  const now = new Date()
  const two = (n: number) => String(n).padStart(2, '0')
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`
  return `${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`
}
