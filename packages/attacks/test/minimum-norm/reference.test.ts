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
import { type Layers, perceptron } from '../perceptron.js'

/** Distances of Foolbox, torchattacks, ART and SciPy on one small net: made by scripts/reference-minimum-norm.py. */

interface Reference {
  readonly layers: Layers
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly distances: Readonly<Record<string, readonly (number | null)[]>>
}

const reference = JSON.parse(
  readFileSync(new URL('../data/minimum-norm.json', import.meta.url), 'utf8'),
) as Reference
const n = reference.y.length
const d = reference.x.length / n

await useBackend('wasm')

const net = perceptron(reference.layers)

/** Of every example: the distance of the raw point, null where it is not adversarial. */
function distancesOf(attack: Attack, kind: SetSpec['kind'], radius: number): (number | null)[] {
  return scoped(() => {
    const x = tf.tensor2d([...reference.x], [n, d])
    const y = tf.tensor1d([...reference.y])
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

for (const [name, kind, attack, most, least] of [
  ['deepfool-l2', 'box-l2', deepfool(), 1.01, 0.98],
  ['deepfool-linf', 'box-linf', deepfool(), 1.01, 0.98],
  ['ddn-l2', 'box-l2', ddn(), 1.02, 0.98],
  ['carlini-wagner-l2', 'box-l2', carliniWagnerL2({ steps: 500 }), 1.02, 0.98],
  ['fab-l2', 'box-l2', fab(), 1.02, 0.98],
  ['fab-linf', 'box-linf', fab(), 1.02, 0.98],
  ['lbfgs-l2', 'box-l2', lbfgs(), 1.02, 0.9],
  ['boundary-l2', 'box-l2', boundary({ steps: 4000 }), 1.02, 0.9],
  ['hop-skip-jump-l2', 'box-l2', hopSkipJump({ steps: 24 }), 1.02, 0.9],
  ['hop-skip-jump-linf', 'box-linf', hopSkipJump({ steps: 12 }), 1.02, 0.9],
] as const)
  t.test(`${name}: the median distance of the reference, and its success`, async t => {
    const theirs = summary(reference.distances[name]!)
    const ours = summary(distancesOf(attack, kind, 1))
    t.comment(`ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}`)
    t.ok(ours.success >= theirs.success - 0.01)
    t.ok(ours.median <= most * theirs.median, `${ours.median} of ${theirs.median}`)
    t.ok(ours.median >= least * theirs.median, `${ours.median} of ${theirs.median}`)
  })

t.test('C&W linf: no library has it in reach, but FAB knows the distances', async t => {
  const theirs = summary(reference.distances['fab-linf']!)
  const ours = summary(distancesOf(carliniWagnerLinf({ steps: 200, initial: 0.01 }), 'box-linf', 1))
  t.comment(`ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}`)
  t.equal(ours.success, 1)
  t.ok(ours.median < 1.05 * theirs.median && ours.median > 0.97 * theirs.median)
})

for (const radius of [0.08, 0.12])
  t.test(`Square at ${radius}: the success of the reference, up to an example or two`, async t => {
    const theirs = summary(reference.distances[`square-linf-${radius}`]!)
    const ours = summary(
      distancesOf(square({ queries: 1000, schedule: 'rescaled' }), 'box-linf', radius),
    )
    t.comment(`ours ${ours.success}, theirs ${theirs.success}`)
    t.ok(Math.abs(ours.success - theirs.success) <= 2 / n + 1e-9)
  })
