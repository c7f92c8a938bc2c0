import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { type Config, type RunSummary, type TrainEvent, writeJsonAtomic } from '@saddle/distributed'
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

/** experiment.json: kept where there is a baseline, so that `resume` knows what is still to do. */
interface Experiment {
  readonly config: Config
  readonly directory: string
}

/**
 * Trains `config` in the new run folder `dir`. With `evaluation.baseline` it first trains the same network on the
 * same data with the identity attack, in `dir/baseline`, so that the price and the gain of robustness show.
 *
 * @param config resolved, as `readConfig` gives it.
 * @throws SaddleError CONFIG if `dir` holds a run already; whatever the trainer throws.
 */
export async function runExperiment(
  trainer: Trainer,
  config: Config,
  dir: string,
  options: ExperimentOptions = {},
): Promise<ExperimentResult> {
  if (existsSync(join(dir, 'config.yaml')) || existsSync(experimentFile(dir)))
    throw new SaddleError(
      'CONFIG',
      `${dir} holds a run already. Go on with it by \`saddle resume ${dir}\`, or name another folder with --out.`,
      { dir },
    )
  const experiment: Experiment = { config, directory: options.directory ?? process.cwd() }
  if (baselineOf(config) !== null) {
    await mkdir(dir, { recursive: true })
    await writeJsonAtomic(experimentFile(dir), experiment)
  }
  return carryOn(trainer, experiment, dir, options)
}

/**
 * Goes on with an experiment wherever it was interrupted; parts that are done are not trained again.
 *
 * @throws SaddleError CHECKPOINT if experiment.json or a summary is damaged; whatever the trainer throws.
 */
export async function resumeExperiment(
  trainer: Trainer,
  dir: string,
  options: ExperimentOptions = {},
): Promise<ExperimentResult> {
  const experiment = await readJson<Experiment>(experimentFile(dir))
  if (experiment !== null)
    return carryOn(trainer, experiment, dir, { directory: experiment.directory, ...options })
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
    monitor: { comparator: null },
  }
}

async function carryOn(
  trainer: Trainer,
  { config }: Experiment,
  dir: string,
  options: ExperimentOptions,
): Promise<ExperimentResult> {
  const twin = baselineOf(config)
  let baseline: RunSummary | null = null
  if (twin !== null) {
    const part: Part = { role: 'baseline', dir: join(dir, 'baseline'), label: 'identity' }
    baseline = await runPart(trainer, part, twin, options)
    if (baseline.status === 'stopped') return { status: 'stopped', dir, main: null, baseline }
  }
  const part: Part = { role: 'main', dir, label: attackName(config.attack) }
  const main = await runPart(trainer, part, config, options)
  return { status: main.status, dir, main, baseline }
}

async function runPart(
  trainer: Trainer,
  part: Part,
  config: Config,
  { onEvent, ...rest }: ExperimentOptions,
): Promise<RunSummary> {
  const finished = await readJson<RunSummary>(join(part.dir, 'summary.json'))
  if (finished?.status === 'done') return finished
  const options: TrainerOptions = { ...rest, onEvent: event => onEvent?.(part, event) }
  return existsSync(join(part.dir, 'config.yaml'))
    ? trainer.resume(part.dir, options)
    : trainer.train(config, { ...options, out: part.dir })
}

function experimentFile(dir: string): string {
  return join(dir, 'experiment.json')
}

/** The content of a JSON file that Saddle wrote; null if it is not there. */
async function readJson<T>(file: string): Promise<T | null> {
  if (!existsSync(file)) return null
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T
  } catch (error) {
    throw new SaddleError(
      'CHECKPOINT',
      `${file} is damaged: ${(error as Error).message}. Restore it from a copy, or train again in a new folder.`,
      { file },
    )
  }
}
