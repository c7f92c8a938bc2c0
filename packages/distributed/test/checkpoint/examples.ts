import { join } from 'node:path'
import {
  type CheckpointState,
  type NamedTensor,
  writeCheckpoint,
} from '../../dist/checkpoint/checkpoint.js'

const network: CheckpointState['network'] = {
  family: 'two-layer',
  inputs: 3,
  width: 4,
  depth: 1,
  outputs: 1,
  activation: 'relu',
  init: 'symmetric',
}

export function stateAt(step: number, more: Partial<CheckpointState> = {}): CheckpointState {
  return {
    format: 2,
    step,
    network,
    configHash: 'c'.repeat(64),
    dataHash: 'd'.repeat(64),
    metricsBytes: 100 * step,
    projectedSteps: 1,
    bestLoss: 0.25,
    seconds: 1.5,
    worstDistance: 0.5,
    regret: { steps: step, best: Number.POSITIVE_INFINITY },
    saddle: '0.1.0',
    node: process.version,
    ...more,
  }
}

/** W_0 is the same at every step, D has the step in every element. */
export function tensorsAt(
  step: number,
  length = 12,
): Record<'initial' | 'displacement', NamedTensor[]> {
  return {
    initial: [
      { name: 'hidden.initial', shape: [length], data: Float32Array.from({ length }, (_, i) => i) },
      { name: 'frozen.output', shape: [1, 4], data: Float32Array.of(1, -1, 1, -1) },
    ],
    displacement: [
      { name: 'hidden.displacement', shape: [length], data: new Float32Array(length).fill(step) },
    ],
  }
}

/** Checkpoints of the given steps; their paths. */
export async function writeSteps(
  dir: string,
  steps: readonly number[],
  keep = 9,
): Promise<string[]> {
  for (const step of steps) await writeCheckpoint(dir, stateAt(step), tensorsAt(step), keep)
  return steps.map(step => join(dir, 'checkpoints', `step-${String(step).padStart(6, '0')}`))
}
