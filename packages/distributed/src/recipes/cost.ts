import type { Attackable } from '@saddle/attacks'
import type { TrainingAttack } from '../config/recipe-schema.js'
import type { ShardPasses } from '../replica/passes.js'
import { passesOf, phasesOf } from './recipe.js'

/**
 * What steps cost, each number a sum over examples: a pass of n examples counts n. One unit for all recipes, counted
 * where the passes are made and not worked out from settings.
 */
export interface Cost {
  /** Examples of the batches; one that is in n of them counts n times. */
  readonly examples: number
  /** Forward–backward passes through the whole network. */
  readonly passes: number
  /** Forward passes that nothing goes back from. */
  readonly forwards: number
  /** Forward–backward passes through the first layer only; those of a network of one layer are `passes`. */
  readonly firstLayer: number
}

export const noCost: Cost = { examples: 0, passes: 0, forwards: 0, firstLayer: 0 }

export function addCosts(costs: readonly Cost[]): Cost {
  return costs.reduce(
    (a, b) => ({
      examples: a.examples + b.examples,
      passes: a.passes + b.passes,
      forwards: a.forwards + b.forwards,
      firstLayer: a.firstLayer + b.firstLayer,
    }),
    noCost,
  )
}

/** Forward–backward passes that a training takes of an example of its batches, at most. */
export interface ExpectedCost {
  /** In the dearest step. */
  readonly perStep: number
  /** In all steps. */
  readonly total: number
}

export function expectedCost(spec: TrainingAttack, steps: number, depth: number): ExpectedCost {
  const phases = phasesOf(spec, steps).map(({ attack, length }) => ({
    passes: passesOf(attack, depth),
    length,
  }))
  return {
    perStep: Math.max(...phases.map(({ passes }) => passes)),
    total: phases.reduce((sum, { passes, length }) => sum + passes * length, 0),
  }
}

/** The passes of a shard of so many examples, and what they have cost so far. */
export function metered(
  passes: ShardPasses,
  { examples, depth }: { readonly examples: number; readonly depth: number },
): { readonly passes: ShardPasses; readonly cost: () => Cost } {
  const count = { examples, passes: 0, forwards: 0, firstLayer: 0 }
  const { joint, firstBlock } = passes
  return {
    passes: {
      ...passes,
      model: meteredModel(passes.model, count),
      gradient(x, cotangent, place) {
        count.passes += x.shape[0]
        return passes.gradient(x, cotangent, place)
      },
      joint:
        joint === null
          ? null
          : (x, cotangent, place) => {
              count.passes += x.shape[0]
              return joint(x, cotangent, place)
            },
      firstBlock:
        firstBlock === null
          ? null
          : (x, adjoint) => {
              count[depth === 1 ? 'passes' : 'firstLayer'] += x.shape[0]
              return firstBlock(x, adjoint)
            },
    },
    cost: () => ({ ...count }),
  }
}

function meteredModel(model: Attackable, count: { passes: number; forwards: number }): Attackable {
  const counted =
    (pass: Attackable['inputGradient']): Attackable['inputGradient'] =>
    (x, cotangent) => {
      count.passes += x.shape[0]
      return pass(x, cotangent)
    }
  return {
    outputs: model.outputs,
    forward(x) {
      count.forwards += x.shape[0]
      return model.forward(x)
    },
    inputGradient: counted((x, cotangent) => model.inputGradient(x, cotangent)),
    ...(model.follow === undefined ? {} : { follow: () => counted(model.follow!()) }),
  }
}
