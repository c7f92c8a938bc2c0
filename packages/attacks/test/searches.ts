import {
  type Attack,
  type Attackable,
  type AttackResult,
  bisection,
  boundary,
  type Criterion,
  carliniWagnerL2,
  carliniWagnerLinf,
  ddn,
  deepfool,
  fab,
  hopSkipJump,
  lbfgs,
  nes,
  nesLabelOnly,
  nesPartial,
  pgd,
  type StartingPoints,
  spsa,
  square,
  zoo,
} from '@saddle/attacks'
import { lossFrom, openStream, perturbationSetFrom, type SetSpec, scoped } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import { keyFor, tanhModel, tinyWeights, upTo } from './fixtures.js'

type Kind = SetSpec['kind']

/** An attack that searches example by example, in the smallest size that does all it can do. */
export interface Row {
  readonly attack: Attack
  /** Kinds of sets that it takes. */
  readonly sets: readonly Kind[]
  readonly access: 'gradients' | 'scores' | 'decisions'
}

const L1: readonly Kind[] = ['l1', 'box-l1']
const L2: readonly Kind[] = ['l2', 'box-l2']
const LINF: readonly Kind[] = ['linf', 'box-linf']
const NO_CHART: readonly Kind[] = [...L1, ...L2, ...LINF, 'cap', 'box-sphere']
const limited = { queries: 400, samples: 4, leastStep: 1e-3, stepSize: 0.05, draws: 40, blends: 10 }

export const searches: Readonly<Record<string, Row>> = {
  fab: {
    attack: fab({ steps: 6, restarts: 2 }),
    sets: [...L1, ...L2, ...LINF],
    access: 'gradients',
  },
  'fab, targeted': {
    attack: fab({ steps: 6, targetClasses: 2 }),
    sets: [...L1, ...L2, ...LINF],
    access: 'gradients',
  },
  'fab, until inside': {
    attack: fab({ steps: 8, targetClasses: 9, stopInside: true }),
    sets: [...L2, ...LINF],
    access: 'gradients',
  },
  deepfool: { attack: deepfool(), sets: [...L2, ...LINF], access: 'gradients' },
  ddn: { attack: ddn({ steps: 12 }), sets: L2, access: 'gradients' },
  'carlini-wagner-l2': {
    attack: carliniWagnerL2({ searches: 3, steps: 15, stepSize: 0.1, initial: 1 }),
    sets: L2,
    access: 'gradients',
  },
  'carlini-wagner-linf': {
    attack: carliniWagnerLinf({ steps: 12, stepSize: 0.1, initial: 0.5, shrink: 0.6 }),
    sets: LINF,
    access: 'gradients',
  },
  lbfgs: { attack: lbfgs({ searches: 4, steps: 8, initial: 1 }), sets: L2, access: 'gradients' },
  bisection: {
    attack: bisection(pgd({ steps: 3 }), { steps: 3, doublings: 2 }),
    sets: [...NO_CHART, 'lift-l2', 'lift-linf'],
    access: 'gradients',
  },
  square: {
    attack: square({ queries: 20, restarts: 2 }),
    sets: [...L1, ...L2, ...LINF],
    access: 'scores',
  },
  'square on cross-entropy': {
    attack: square({ queries: 20, loss: 'cross-entropy', schedule: 'rescaled' }),
    sets: [...L2, ...LINF],
    access: 'scores',
  },
  zoo: {
    attack: zoo({ steps: 15, coordinates: 4, stepSize: 0.1, searches: 2, initial: 2 }),
    sets: L2,
    access: 'scores',
  },
  nes: { attack: nes({ queries: 200, samples: 20 }), sets: NO_CHART, access: 'scores' },
  spsa: {
    attack: spsa({ steps: 8, directions: 5, stepSize: 0.05 }),
    sets: NO_CHART,
    access: 'scores',
  },
  'nes-partial': { attack: nesPartial({ ...limited, threshold: 2 }), sets: LINF, access: 'scores' },
  'nes-label-only': {
    attack: nesLabelOnly({ ...limited, proxyPoints: 5, proxyRadius: 0.02, threshold: 0.6 }),
    sets: LINF,
    access: 'scores',
  },
  boundary: {
    attack: boundary({
      steps: 60,
      statistics: 3,
      sphericalStep: 0.1,
      sourceStep: 0.1,
      draws: 40,
      blends: 10,
    }),
    sets: L2,
    access: 'decisions',
  },
  'hop-skip-jump': {
    attack: hopSkipJump({ steps: 4, initialQueries: 20, draws: 40, blends: 10 }),
    sets: [...L2, ...LINF],
    access: 'decisions',
  },
}

/** Pairs of a search and one of its sets. */
export const pairs = Object.entries(searches).flatMap(([name, row]) =>
  row.sets.map(kind => ({ name, kind, ...row })),
)

/** n centres in the domain of a set, and a random tanh model of `outputs` outputs that is right about most of them. */
export interface Task {
  readonly n: number
  readonly d: number
  readonly x: Float32Array
  readonly y: Float32Array
  readonly outputs: number
  readonly kind: Kind
  readonly radius: number
}

export function task(kind: Kind, radius: number, outputs: number, n: number, d = 6): Task {
  const stream = openStream({ seed: 17, purpose: 'test.data' })
  const x = new Float32Array(n * d)
  for (let i = 0; i < n; i++) {
    const row = x.subarray(i * d, (i + 1) * d)
    if (kind.startsWith('box-l')) row.set(row.map(() => stream.uniform()))
    else {
      stream.fillNormal(row)
      const length = kind.startsWith('lift') ? 0.8 : 1
      const norm = Math.hypot(...row)
      row.set(row.map(v => (v * length) / norm))
    }
  }
  const { model } = modelOf({ kind, outputs, d })
  const scores = scoped(() => {
    const set = perturbationSetFrom({ kind, radius })
    return model.forward(set.embed(tf.tensor2d(x, [n, d]))).dataSync<'float32'>()
  })
  const y = new Float32Array(n)
  for (let i = 0; i < n; i++) {
    const z = scores.slice(i * outputs, (i + 1) * outputs)
    if (outputs === 1) y[i] = z[0]! > 0 ? 1 : -1
    else y[i] = z.indexOf(Math.max(...z))
  }
  // One example that is wrong before anything is done to it.
  y[n - 1] = outputs === 1 ? -y[n - 1]! : (y[n - 1]! + 1) % outputs
  return { n, d, x, y, outputs, kind, radius }
}

export function modelOf({ kind, outputs, d }: Pick<Task, 'kind' | 'outputs' | 'd'>) {
  const inputs = perturbationSetFrom({ kind, radius: 0 }).embeddedDimension(d)
  return tanhModel(tinyWeights(inputs, outputs, 3))
}

/** The arrays of a result. */
export interface Outcome {
  readonly raw: Float32Array
  readonly point: Float32Array
  readonly success: Uint8Array
  readonly distance: Float32Array
  readonly queries: Int32Array
  readonly gradientSteps: Int32Array
}

export function outcome(
  attack: Attack,
  t: Task,
  model: Attackable,
  {
    rows = upTo(t.n),
    criterion,
    startingPoints,
  }: {
    rows?: readonly number[]
    criterion?: Criterion
    /** Of all examples. */
    startingPoints?: StartingPoints
  } = {},
  read: (result: AttackResult, x: tf.Tensor2D, y: tf.Tensor1D) => void = () => {},
): Outcome {
  return scoped(() => {
    const x = tf.tensor2d(
      Float32Array.from(rows.flatMap(i => [...t.x.subarray(i * t.d, (i + 1) * t.d)])),
      [rows.length, t.d],
    )
    const y = tf.tensor1d(Float32Array.from(rows, i => t.y[i]!))
    const result = attack.run(model, x, y, {
      set: perturbationSetFrom({ kind: t.kind, radius: t.radius }),
      loss: lossFrom(t.outputs === 1 ? 'logistic' : 'cross-entropy'),
      key: keyFor(rows),
      ...(criterion === undefined ? {} : { criterion: criterion.atRows(rows) }),
      ...(startingPoints === undefined
        ? {}
        : { startingPoints: rows.map(row => startingPoints[row]!) }),
    })
    read(result, x, y)
    return {
      raw: result.raw.dataSync<'float32'>().slice(),
      point: result.point.dataSync<'float32'>().slice(),
      success: Uint8Array.from(result.success.dataSync()),
      distance: result.distance.dataSync<'float32'>().slice(),
      queries: result.queries,
      gradientSteps: result.gradientSteps,
    }
  })
}
