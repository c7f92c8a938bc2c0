import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import {
  alone,
  type Config,
  type Ranks,
  type RunSummary,
  readConfig,
  type TrainEvent,
  writeConfig,
} from '@saddle/distributed'
import { attackName } from './format.js'
import type { Trainer, TrainerOptions } from './trainer.js'

/** One training of an experiment: the one that was asked for, or its twin under the identity attack. */
export interface Part {
  readonly role: 'main' | 'baseline'
  readonly dir: string
  /** The attack it trains against: `pgd-5`. */
  readonly label: string
}

export interface ExperimentOptions extends Omit<TrainerOptions, 'onEvent'> {
  readonly onEvent?: (part: Part, event: TrainEvent) => void
}

/** What an experiment came to; `main` is null if it was stopped before its main training began. */
export interface ExperimentResult {
  readonly status: 'done' | 'stopped'
  readonly dir: string
  readonly main: RunSummary | null
  readonly baseline: RunSummary | null
}

/**
 * Trains `config` in the new run folder `dir`. With `evaluation.baseline` it first trains the same network on the
 * same data with the identity attack, in `dir/baseline`, so that the price and the gain of robustness show.
 *
 * @param config resolved and with absolute paths, as `readConfig` gives it.
 * @throws SaddleError CONFIG if `dir` holds a run already; whatever the trainer throws.
 */
export async function runExperiment(
  trainer: Trainer,
  config: Config,
  dir: string,
  options: ExperimentOptions = {},
): Promise<ExperimentResult> {
  const ranks = options.ranks ?? alone()
  await ranks.fromFirst(async () => {
    if (existsSync(join(dir, 'config.yaml')) || existsSync(experimentFile(dir)))
      throw new SaddleError(
        'CONFIG',
        `${dir} holds a run already. Go on with it by \`saddle resume ${dir}\`, or name another folder with --out.`,
        { dir },
      )
    if (baselineOf(config) === null) return
    await mkdir(dir, { recursive: true })
    await writeConfig(config, experimentFile(dir))
  })
  if (baselineOf(config) === null) return carryOn(trainer, config, dir, options, ranks)
  try {
    return await carryOn(trainer, config, dir, options, ranks)
  } catch (error) {
    if (ranks.isFirst && !existsSync(join(dir, 'baseline'))) await forget(dir)
    throw error
  }
}

/**
 * Goes on with an experiment wherever it was interrupted; parts that are done are not trained again.
 *
 * @throws SaddleError CONFIG if experiment.yaml is damaged, CHECKPOINT if a summary is; whatever the trainer throws.
 */
export async function resumeExperiment(
  trainer: Trainer,
  dir: string,
  options: ExperimentOptions = {},
): Promise<ExperimentResult> {
  const ranks = options.ranks ?? alone()
  if (await ranks.fromFirst(() => existsSync(experimentFile(dir)))) {
    const { config } = await ranks.together(() => readConfig(experimentFile(dir)))
    return carryOn(trainer, config, dir, options, ranks)
  }
  const { onEvent, ...rest } = options
  let part: Part = { role: 'main', dir, label: 'run' }
  const main = await trainer.resume(dir, {
    ...rest,
    onEvent(event) {
      if (event.kind === 'start') part = { ...part, label: attackName(event.config.attack) }
      onEvent?.(part, event)
    },
  })
  return { status: main.status, dir, main, baseline: null }
}

/** The configuration of the baseline, or null if `config` asks for none or is its own baseline. */
export function baselineOf(config: Config): Config | null {
  const { evaluation, attack, name } = config
  if (!evaluation.baseline || attack.kind === 'identity') return null
  return {
    ...config,
    name: `${name}-baseline`,
    attack: { kind: 'identity' },
    evaluation: { ...evaluation, baseline: false },
  }
}

async function carryOn(
  trainer: Trainer,
  config: Config,
  dir: string,
  options: ExperimentOptions,
  ranks: Ranks,
): Promise<ExperimentResult> {
  const twin = baselineOf(config)
  let baseline: RunSummary | null = null
  if (twin !== null) {
    const part: Part = { role: 'baseline', dir: join(dir, 'baseline'), label: 'identity' }
    baseline = await runPart(trainer, part, twin, options, ranks)
    if (baseline.status === 'stopped') return { status: 'stopped', dir, main: null, baseline }
  }
  const part: Part = { role: 'main', dir, label: attackName(config.attack) }
  const main = await runPart(trainer, part, config, options, ranks)
  return { status: main.status, dir, main, baseline }
}

async function runPart(
  trainer: Trainer,
  part: Part,
  config: Config,
  { onEvent, ...rest }: ExperimentOptions,
  ranks: Ranks,
): Promise<RunSummary> {
  const { finished, begun } = await ranks.fromFirst(async () => ({
    finished: await finishedSummary(part.dir),
    begun: existsSync(join(part.dir, 'config.yaml')),
  }))
  if (finished !== null) return finished
  const options: TrainerOptions = { ...rest, onEvent: event => onEvent?.(part, event) }
  return begun
    ? trainer.resume(part.dir, options)
    : trainer.train(config, { ...options, out: part.dir })
}

/** Kept where there is a baseline, so that `resume` knows what is still to do. */
function experimentFile(dir: string): string {
  return join(dir, 'experiment.yaml')
}

/** Leaves nothing of an experiment that ended before anything was trained, so that `dir` can be used again. */
async function forget(dir: string): Promise<void> {
  await rm(experimentFile(dir), { force: true })
  if ((await readdir(dir)).length === 0) await rmdir(dir)
}

async function finishedSummary(dir: string): Promise<RunSummary | null> {
  const file = join(dir, 'summary.json')
  if (!existsSync(file)) return null
  try {
    const summary = JSON.parse(await readFile(file, 'utf8')) as RunSummary
    return summary.status === 'done' ? summary : null
  } catch (error) {
    throw new SaddleError(
      'CHECKPOINT',
      `${file} is damaged: ${(error as Error).message}. Delete it; \`saddle resume\` measures the run again.`,
      { file },
    )
  }
}
