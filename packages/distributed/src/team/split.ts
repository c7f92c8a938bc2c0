import { type AttackSpec, attackFrom } from '@saddle/attacks'
import type { NetworkSpec } from '@saddle/core'
import type { GradientForm } from '../replica/workspace.js'
import { neuronSlices } from './slices.js'

/** What workers share out between them, and why: numbers sent between them a step. */
export interface Split {
  readonly by: 'examples' | 'neurons'
  readonly examples: number
  /** Null where only examples can be split: with more than one hidden layer. */
  readonly neurons: number | null
}

export interface SplitOptions {
  readonly asked: 'auto' | 'examples' | 'neurons'
  readonly attack: AttackSpec
  readonly batch: number
  readonly shard: number
}

/**
 * Split by what sends fewer numbers a step, for a batch of n examples:
 *
 *   examples   n (m + d), the factors of the gradient; (shards) · m d where it travels densely
 *   neurons    S n (d + c) a pass: the parts of outputs and input gradients of S slices, for K + 2 passes
 *
 * with K gradient steps of the attack, and two passes more: at the point found, and for the gradient in W there. A
 * function of the configuration and the data's shape, never of the number of workers, because it decides the order
 * of sums.
 */
export function chooseSplit(
  spec: NetworkSpec,
  forms: readonly GradientForm[],
  { asked, attack, batch, shard }: SplitOptions,
): Split {
  const shards = Math.ceil(batch / shard)
  const examples = forms
    .map(({ form, rows, cols }) =>
      form === 'dense' ? shards * rows * cols : batch * (rows + cols),
    )
    .reduce((a, b) => a + b, 0)
  if (spec.depth > 1) return { by: 'examples', examples, neurons: null }
  const slices = neuronSlices(forms[0]!.rows).length
  const passes = attackFrom(attack).passes + 2
  const neurons = passes * slices * batch * (spec.inputs + spec.outputs)
  const fewer = neurons < examples ? 'neurons' : 'examples'
  return { by: asked === 'auto' ? fewer : asked, examples, neurons }
}
