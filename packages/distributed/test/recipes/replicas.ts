import type { AttackSpec } from '@saddle/attacks'
import { type Network, type NetworkSpec, networkFrom, openStream, type SetSpec } from '@saddle/core'
import type { AttackReply, WorkerSetup } from '../../dist/pool/messages.js'
import { pointsOf, type StepRecipe } from '../../dist/recipes/recipe.js'
import { Replica } from '../../dist/replica/replica.js'
import { createWorkspace } from '../../dist/replica/workspace.js'

export const DIMENSION = 6

interface Problem {
  readonly network: Omit<NetworkSpec, 'inputs'>
  readonly loss: string
  readonly set?: SetSpec
  readonly examples: number
  readonly seed?: number
  /** Examples whose gradient is delivered at a time; default: all. */
  readonly window?: number
}

/** A replica in this thread, on one shard that is the whole batch, with weights away from their start. */
export function replicaOf({ loss, examples: n, seed = 1, ...problem }: Problem) {
  const set = problem.set ?? { kind: 'linf', radius: 0.2 }
  const network: Network = networkFrom({ ...problem.network, inputs: DIMENSION })
  const parameters = network.initialise(seed)
  const stream = openStream({ seed, purpose: 'test.recipes' })
  for (const { weights, initial, displacement } of parameters.trained) {
    stream.fillNormal(displacement.data, 0.2)
    weights.data.set(initial.data.map((w, i) => w + displacement.data[i]!))
  }
  const inputs = new Float32Array(n * DIMENSION)
  stream.fillNormal(inputs, 0.5)
  const classes = network.spec.outputs
  const labels = Float32Array.from({ length: n }, (_, i) =>
    classes === 1 ? (i % 2 === 0 ? 1 : -1) : i % classes,
  )
  const carried = {
    rows: n,
    cols: DIMENSION,
    data: new Float32Array(new SharedArrayBuffer(4 * n * DIMENSION)),
  }
  const data = { dimension: DIMENSION, count: n, inputs, labels, classes: [] }
  /** What the step comes to, and its gradient in every trained matrix. */
  const step = (recipe: StepRecipe, at = 0): { reply: AttackReply; gradient: Float32Array[] } => {
    const workspace = createWorkspace(parameters, {
      examples: n,
      batch: n,
      shard: n,
      windowBytes: problem.window ?? 1 << 28,
      inFlight: 1,
      gradients: 'dense',
      points: pointsOf(recipe),
      carried,
    })
    workspace.order.set(Int32Array.from({ length: n }, (_, i) => i))
    const setup = {
      stop: new Int32Array(new SharedArrayBuffer(4)),
      seed,
      network: network.spec,
      parameters,
      comparator: null,
      loss,
      set,
      precision: 'float32',
      train: data,
      test: null,
      workspace,
      team: null,
    } as unknown as WorkerSetup
    const reply = new Replica(setup).attack({
      kind: 'attack',
      step: at,
      recipe,
      start: 0,
      stop: n,
      batch: n,
      offset: 0,
      staging: 0,
    })
    return { reply, gradient: workspace.matrices.map(({ staging }) => staging[0]!.slice()) }
  }
  const attacked = (attack: AttackSpec, at = 0) => step({ kind: 'attack', attack }, at)
  return { network, parameters, set, data, carried, seed, step, attacked }
}

/** Largest difference over both lists of arrays, relative to the largest entry wanted. */
export function worst(
  got: readonly ArrayLike<number>[],
  wanted: readonly ArrayLike<number>[],
): number {
  let [size, error] = [0, 0]
  wanted.forEach((array, k) => {
    Array.from(array).forEach((value, i) => {
      size = Math.max(size, Math.abs(value))
      error = Math.max(error, Math.abs(got[k]![i]! - value))
    })
  })
  return error / size
}
