import { type NetworkSpec, SaddleError } from '@saddle/core'
import type { Cost } from '../recipes/cost.js'
import { FORMAT } from './manifest.js'

/** state.json: every counter of a run beside its weights. Randomness is keyed by step, so it has no state. */
export interface CheckpointState {
  readonly format: typeof FORMAT
  /** Steps taken: the next one is step `step`. */
  readonly step: number
  /** What builds the network that the tensors belong to. */
  readonly network: NetworkSpec
  readonly configHash: string
  readonly dataHash: string
  /** Length of metrics.jsonl when this was written: resuming cuts it there. */
  readonly metricsBytes: number
  readonly projectedSteps: number
  readonly bestLoss: number
  readonly seconds: number
  readonly worstDistance: number
  /** Since the run began; absent in checkpoints of before it was counted. */
  readonly cost?: Cost
  /** The regret monitor's own; plain JSON, Infinity allowed. */
  readonly regret: unknown
  readonly saddle: string
  readonly node: string
}

/** JSON has no infinities, and the best loss before the first step is one: they are written as text. */
export function stateText(state: CheckpointState): string {
  const withInfinities = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
  return `${JSON.stringify(state, withInfinities, 2)}\n`
}

/** @throws SaddleError CHECKPOINT if the text is of another format */
export function parseState(file: string, text: string): CheckpointState {
  const state = JSON.parse(text, (_key, value: unknown) =>
    value === 'Infinity' || value === '-Infinity' || value === 'NaN' ? Number(value) : value,
  ) as CheckpointState
  if (state.format === FORMAT) return state
  throw new SaddleError(
    'CHECKPOINT',
    `${file} has format ${String(state.format)}; this version of Saddle reads format ${FORMAT}. Resume it with the version that wrote it.`,
    { file, format: state.format },
  )
}

/**
 * A run goes on only with what it began with.
 *
 * @param configHash of the configuration that is to go on, see `configHash`
 * @param dataHash of the data that were loaded, see `DataSplit`
 * @throws SaddleError CHECKPOINT that names what differs
 */
export function checkCheckpointMatches(
  state: CheckpointState,
  configHash: string,
  dataHash: string,
): void {
  const differs = [
    ...(state.configHash === configHash
      ? []
      : [`the configuration (hash ${short(state.configHash)} then, ${short(configHash)} now)`]),
    ...(state.dataHash === dataHash
      ? []
      : [`the data (hash ${short(state.dataHash)} then, ${short(dataHash)} now)`]),
  ]
  if (differs.length === 0) return
  throw new SaddleError(
    'CHECKPOINT',
    `The checkpoint of step ${state.step} belongs to another run: ${differs.join(' and ')} changed since it was ` +
      'written, and a run that went on would be neither. Restore what changed (config.yaml in the run folder is the ' +
      'run as it began), or begin a new run in another folder.',
    {
      step: state.step,
      configHash: { checkpoint: state.configHash, now: configHash },
      dataHash: { checkpoint: state.dataHash, now: dataHash },
    },
  )
}

function short(hash: string): string {
  return hash.slice(0, 12)
}
