import { type AttackSpec, attackFrom } from '@saddle/attacks'
import type { PhaseAttack, TrainingAttack } from '../config/recipe-schema.js'

/** What a shard does in one step; plain JSON, a part of its task. */
export type StepRecipe =
  /** x' = A(W, x), the gradient there. */
  | { readonly kind: 'attack'; readonly attack: AttackSpec }
  /** The gradients at x and x' of ℓ(f(x), y) + β KL(p(x) ‖ p(x')). */
  | { readonly kind: 'trades'; readonly attack: AttackSpec; readonly beta: number }
  /** The gradients in W and in x at x + δ by one pass; δ is carried. */
  | { readonly kind: 'free'; readonly stepSize: number }
  /** The gradients in W at m points, n steps through the first layer from one to the next. */
  | {
      readonly kind: 'yopo'
      readonly passes: number
      readonly inner: number
      readonly stepSize: number
    }

/** What a training does about its adversary, step by step. All of it is a function of the step: nothing is counted. */
export interface Recipe {
  /** Step t = 0, 1, … */
  at(step: number): StepRecipe
  /** Which mini-batch step t takes, 0, 1, …; a replayed one is that of the step before. */
  batchOf(step: number): number
}

/** The recipe of a configuration, for a training of so many steps. */
export function recipeFrom(spec: TrainingAttack, steps: number): Recipe {
  const phases = phasesOf(spec, steps).map(phase => ({
    ...phase,
    recipe: phaseRecipe(phase.attack, phase.length),
  }))
  /** Mini-batches that the phases before each took. */
  const before = phases.map((_, i) =>
    phases.slice(0, i).reduce((sum, { recipe, length }) => sum + recipe.batchOf(length - 1) + 1, 0),
  )
  const phaseAt = (step: number) => {
    const index = phases.findLastIndex(({ from }) => from <= step)
    return { ...phases[index]!, before: before[index]! }
  }
  return {
    at(step) {
      const { recipe, from } = phaseAt(step)
      return recipe.at(step - from)
    },
    batchOf(step) {
      const { recipe, from, before } = phaseAt(step)
      return before + recipe.batchOf(step - from)
    },
  }
}

/** A recipe of one kind over the steps of its phase. */
function phaseRecipe(spec: PhaseAttack, steps: number): Recipe {
  const batchOf = (step: number) => step
  switch (spec.kind) {
    case 'trades': {
      const { beta, steps, stepSize } = spec
      const attack = divergencePgd(steps, stepSize)
      return { at: () => ({ kind: 'trades', attack, beta }), batchOf }
    }
    case 'fosc-dynamic': {
      const { criterion, anneal, ...search } = spec
      return {
        at: step => ({
          kind: 'attack',
          attack: {
            ...search,
            kind: 'stationary-pgd',
            criterion: Math.max(criterion * (1 - step / (anneal * steps)), 0),
          },
        }),
        batchOf,
      }
    }
    case 'free': {
      const { replays, stepSize } = spec
      return {
        at: () => ({ kind: 'free', stepSize }),
        batchOf: step => Math.floor(step / replays),
      }
    }
    case 'yopo':
      return { at: () => spec, batchOf }
    default:
      return { at: () => ({ kind: 'attack', attack: spec }), batchOf }
  }
}

/** PGD that ascends KL(p(x) ‖ p(x')) from a random point, to its last iterate. */
function divergencePgd(steps: number, stepSize: number): AttackSpec {
  return {
    kind: 'pgd',
    steps,
    stepSize,
    restarts: 1,
    start: 'uniform',
    objective: 'loss',
    keepBest: false,
    loss: 'divergence',
  }
}

/** A part of a training: steps `from` on, which all do the same but for numbers. */
export interface Phase {
  readonly from: number
  /** Steps of it. */
  readonly length: number
  readonly attack: PhaseAttack
}

export function phasesOf(spec: TrainingAttack, steps: number): readonly Phase[] {
  if (spec.kind !== 'schedule') return [{ from: 0, length: steps, attack: spec }]
  const { phases } = spec
  return phases.map((phase, i) => ({
    ...phase,
    length: (phases[i + 1]?.from ?? steps) - phase.from,
  }))
}

/** Points an example at which a step takes gradients in W. */
export function pointsOf(step: StepRecipe): number {
  if (step.kind === 'trades') return 2
  return step.kind === 'yopo' ? step.passes : 1
}

/**
 * Forward–backward passes of an example in a step, at most. Those through the first layer only count where that is the
 * whole network.
 */
export function passesOf(attack: PhaseAttack, depth: number): number {
  const step = phaseRecipe(attack, 1).at(0)
  switch (step.kind) {
    case 'attack':
      return attackFrom(step.attack).passes + 1
    case 'trades':
      return attackFrom(step.attack).passes + 2
    case 'free':
      return 1
    case 'yopo':
      return step.passes + (depth === 1 ? (step.passes - 1) * Math.max(0, step.inner - 1) : 0)
  }
}

/** What a training asks of buffers and of the split, in whichever of its phases asks for most. */
export interface RecipeNeeds {
  /** Points an example at which gradients in W are taken in one step. */
  readonly points: number
  /** Whether a perturbation is carried from step to step. */
  readonly carries: boolean
  /** Whether its passes need all neurons at once, and give more than a team's sums. */
  readonly needsAllNeurons: boolean
  /** Forward–backward passes of an example. */
  readonly passes: number
}

export function needsOf(spec: TrainingAttack, depth: number): RecipeNeeds {
  const attacks = phasesOf(spec, 1).map(({ attack }) => attack)
  const points = attacks.map(attack => pointsOf(phaseRecipe(attack, 1).at(0)))
  return {
    points: Math.max(...points),
    carries: attacks.some(({ kind }) => kind === 'free'),
    needsAllNeurons: attacks.some(({ kind }) => kind === 'free' || kind === 'yopo'),
    passes: Math.max(...attacks.map(attack => passesOf(attack, depth))),
  }
}
