import { readFileSync } from 'node:fs'
import {
  type Attack,
  boundary,
  carliniWagnerL2,
  carliniWagnerLinf,
  ddn,
  deepfool,
  fab,
  hopSkipJump,
  lbfgs,
  square,
} from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, type SetSpec, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { keyFor, upTo } from '../fixtures.js'
import { perceptron, savedLayers } from '../perceptron.js'

/** Distances of Foolbox, torchattacks, ART and SciPy on one small net: made by scripts/reference-minimum-norm.py. */

interface Reference {
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly distances: Readonly<Record<string, readonly (number | null)[]>>
}

const reference = JSON.parse(
  readFileSync(new URL('../data/minimum-norm.json', import.meta.url), 'utf8'),
) as Reference
const d = reference.x.length / reference.y.length

/** The examples that are compared, the first of the file; Square, whose successes are rare, takes all of them. */
const FEW = 16
const ALL = reference.y.length

await useBackend('wasm')

const net = perceptron(savedLayers('minimum-norm'))

/** Of every example: the distance of the raw point, null where it is not adversarial. */
function distancesOf(
  attack: Attack,
  kind: SetSpec['kind'],
  radius = 1,
  n = FEW,
): (number | null)[] {
  return scoped(() => {
    const x = tf.tensor2d(reference.x.slice(0, n * d), [n, d])
    const y = tf.tensor1d(reference.y.slice(0, n))
    const set = perturbationSetFrom({ kind, radius })
    const { raw } = attack.run(net, x, y, {
      set,
      loss: lossFrom('cross-entropy'),
      key: keyFor(upTo(n)),
    })
    const labels = tf.argMax(net.forward(raw), 1).dataSync()
    const distance = set.distance(x, raw).dataSync()
    return Array.from(distance, (v, i) => (labels[i] === reference.y[i] ? null : v))
  })
}

function summary(distances: readonly (number | null)[]): { success: number; median: number } {
  const found = distances.filter(v => v !== null).sort((a, b) => a - b)
  const [lo, hi] = [found[(found.length - 1) >> 1]!, found[found.length >> 1]!]
  return { success: found.length / distances.length, median: (lo + hi) / 2 }
}

const theirsOf = (name: string, n = FEW) => summary(reference.distances[name]!.slice(0, n))

for (const [name, kind, attack, most, least] of [
  ['deepfool-l2', 'box-l2', deepfool(), 1.01, 0.98],
  ['deepfool-linf', 'box-linf', deepfool(), 1.01, 0.98],
  ['ddn-l2', 'box-l2', ddn(), 1.02, 0.98],
  ['carlini-wagner-l2', 'box-l2', carliniWagnerL2({ steps: 500 }), 1.02, 0.98],
  ['fab-l2', 'box-l2', fab(), 1.005, 0.995],
  ['fab-linf', 'box-linf', fab(), 1.005, 0.995],
  ['lbfgs-l2', 'box-l2', lbfgs(), 1.02, 0.98],
  // Walks at random: two runs differ by 3 % or so, and the references keep the last point and not the closest.
  ['boundary-l2', 'box-l2', boundary({ steps: 4000 }), 1.06, 0.9],
  ['hop-skip-jump-l2', 'box-l2', hopSkipJump({ steps: 24 }), 1.02, 0.7],
  ['hop-skip-jump-linf', 'box-linf', hopSkipJump({ steps: 12 }), 1.02, 0.7],
] as const)
  t.test(`${name}: the median distance of the reference, and its success`, async t => {
    const theirs = theirsOf(name)
    const ours = summary(distancesOf(attack, kind))
    t.ok(ours.success >= theirs.success - 0.01)
    t.ok(ours.median <= most * theirs.median, `${ours.median} of ${theirs.median}`)
    t.ok(ours.median >= least * theirs.median, `${ours.median} of ${theirs.median}`)
  })

t.test('C&W linf finds the distances that FAB knows', async t => {
  const theirs = theirsOf('fab-linf')
  const attack = carliniWagnerLinf({ steps: 200, initial: 0.1, stepSize: 0.02 })
  const ours = summary(distancesOf(attack, 'box-linf'))
  t.equal(ours.success, 1)
  t.ok(Math.abs(ours.median / theirs.median - 1) < 0.02, `${ours.median} of ${theirs.median}`)
})

t.test(
  'Square breaks as many as the reference, whose squares miss the last row and column',
  async t => {
    const theirs = theirsOf('square-linf-0.12', ALL)
    const attack = square({ queries: 1000, schedule: 'rescaled' })
    const ours = summary(distancesOf(attack, 'box-linf', 0.12, ALL))
    t.ok(ours.success >= theirs.success - 1 / ALL, `${ours.success} of ${theirs.success}`)
    // FAB is exact here, so nobody can break more than it does.
    const most = reference.distances['fab-linf']!.filter(v => v !== null && v <= 0.12 * 1.01).length
    t.ok(ours.success <= most / ALL)
  },
)
