import type { Attack } from '../attack.js'
import { attackBySearch, BALLS } from '../search/attack-by-search.js'
import { requirementsOf } from '../search/require.js'
import { type LimitedNes, meanRank, shownCrossEntropy, shrinkTowards } from './nes-limited.js'
import { topLogProbabilities, topRanks } from './reveal.js'

export interface NesPartialSpec extends LimitedNes {
  readonly kind: 'nes-partial'
  readonly fosc?: boolean | undefined
}

export interface NesLabelOnlySpec extends LimitedNes {
  readonly kind: 'nes-label-only'
  /** Points around a point whose labels make its score, and how far they lie from it in every coordinate. */
  readonly proxyPoints: number
  readonly proxyRadius: number
  readonly fosc?: boolean | undefined
}

/** Hyperparameters of `nesPartial` and `nesLabelOnly`; the specs say what each means. */
export type NesPartialOptions = Partial<Omit<NesPartialSpec, 'kind'>>
export type NesLabelOnlyOptions = Partial<Omit<NesLabelOnlySpec, 'kind'>>

const SHARED = {
  queries: 1_000_000,
  topK: 1,
  samples: 100,
  sigma: 1e-3,
  stepSize: 0.01,
  patience: 20,
  momentum: 0.9,
  shrink: 0.5,
  draws: 1000,
  blends: 50,
} as const
const PARTIAL = { ...SHARED, leastStep: 1e-3, threshold: 0.2, caution: 2 } as const
const LABEL_ONLY = {
  ...SHARED,
  leastStep: 1e-4,
  threshold: 0.15,
  caution: 4,
  proxyPoints: 50,
  proxyRadius: 2e-3,
} as const

/**
 * The partial-information attack of Ilyas, Engstrom, Athalye & Lin (2018): only the probabilities of the `topK` most
 * probable classes are seen. Their loop is in nes-limited.ts, with L = −log p of the target at the points that
 * show it. For linf balls with the box or without. Defaults are those of the authors' script but for σ, 1e-5 there,
 * which float32 scores do not resolve: it is the paper's 1e-3. The start, there an image of the target class, is
 * random unless one is given (adversarial-start.ts).
 *
 * Cost: `queries` at most.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function nesPartial(options: NesPartialOptions = {}): Attack {
  const spec: NesPartialSpec = { kind: 'nes-partial', ...PARTIAL, ...options }
  checkLimited(spec)
  return attackBySearch(
    { spec, aim: 'fixed-radius', passes: spec.queries },
    {
      access: 'scores',
      reveal: topLogProbabilities(spec.topK),
      sets: BALLS.linf,
      predictions: true,
    },
    example => shrinkTowards(spec, example, shownCrossEntropy),
  )
}

/**
 * The label-only attack of the same paper: only the ranking of the `topK` most probable classes is seen, for topK 1
 * the label alone. The score of a point is how the target ranks around it, on average; else as `nesPartial`.
 *
 * Cost: `queries` at most; an estimate takes samples · proxyPoints of them, 5000 by default.
 *
 * @throws SaddleError CONFIG if a hyperparameter is out of range; `run` throws CONFIG for other sets and criteria.
 */
export function nesLabelOnly(options: NesLabelOnlyOptions = {}): Attack {
  const spec: NesLabelOnlySpec = { kind: 'nes-label-only', ...LABEL_ONLY, ...options }
  const must = checkLimited(spec)
  must.wholeNumber('proxyPoints', spec.proxyPoints)
  must.positive('proxyRadius', spec.proxyRadius)
  const loss = meanRank(spec, spec.proxyPoints, spec.proxyRadius)
  return attackBySearch(
    { spec, aim: 'fixed-radius', passes: spec.queries },
    { access: 'scores', reveal: topRanks(spec.topK), sets: BALLS.linf, predictions: true },
    example => shrinkTowards(spec, example, loss),
  )
}

function checkLimited(spec: NesPartialSpec | NesLabelOnlySpec) {
  const must = requirementsOf(spec.kind)
  for (const name of ['queries', 'topK', 'draws', 'blends'] as const)
    must.wholeNumber(name, spec[name])
  must.wholeNumber('samples', spec.samples, 2)
  must.that(spec.samples % 2 === 0, `samples must be even, got ${spec.samples}`)
  must.wholeNumber('patience', spec.patience, 2)
  for (const name of ['sigma', 'stepSize', 'leastStep', 'threshold', 'shrink'] as const)
    must.positive(name, spec[name])
  must.that(spec.caution >= 1, `caution must be at least 1, got ${spec.caution}`)
  must.that(
    spec.momentum >= 0 && spec.momentum < 1,
    `momentum must be in [0, 1), got ${spec.momentum}`,
  )
  return must
}
