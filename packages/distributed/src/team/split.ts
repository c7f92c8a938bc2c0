import type { NetworkSpec } from '@saddle/core'
import type { RecipeNeeds } from '../recipes/recipe.js'
import type { GradientForm } from '../replica/workspace.js'
import { neuronSlices } from './slices.js'

/** What workers share out between them, and why: numbers sent between them a step. */
export interface Split {
  readonly by: 'examples' | 'neurons'
  readonly examples: number
  /** Null where only examples can be split: with more than one hidden layer, or a recipe that needs all neurons. */
  readonly neurons: number | null
}

export interface SplitOptions {
  readonly asked: 'auto' | 'examples' | 'neurons'
  readonly needs: Pick<RecipeNeeds, 'points' | 'passes' | 'needsAllNeurons'>
  readonly batch: number
  readonly shard: number
}

/**
 * Split by what sends fewer numbers a step, for a batch of n examples:
 *
 *   examples   n (m + d), the factors of the gradient; (shards) · m d where it travels densely
 *   neurons    S n (d + c) a pass: the parts of outputs and input gradients of S slices, for K + 2 passes
 *
 * with K gradient steps of the attack, and two passes more: at the point found, and for the gradient in W there. Of a
 * recipe that takes gradients at several points an example, n and the passes count for all of them. A function of the configuration and the data's shape, never of the number of workers, because it decides the order
 * of sums.
 */
export function chooseSplit(
  spec: NetworkSpec,
  forms: readonly GradientForm[],
  { asked, needs, batch, shard }: SplitOptions,
): Split {
  const shards = Math.ceil(batch / shard)
  const examples = forms
    .map(({ form, rows, cols }) =>
      form === 'dense' ? shards * rows * cols : needs.points * batch * (rows + cols),
    )
    .reduce((a, b) => a + b, 0)
  if (spec.depth > 1 || needs.needsAllNeurons) return { by: 'examples', examples, neurons: null }
  const slices = neuronSlices(forms[0]!.rows).length
  const neurons = (needs.passes + 1) * slices * batch * (spec.inputs + spec.outputs)
  const fewer = neurons < examples ? 'neurons' : 'examples'
  return { by: asked === 'auto' ? fewer : asked, examples, neurons }
}
