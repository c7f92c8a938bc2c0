import { readFileSync } from 'node:fs'
import {
  type Attack,
  type Attackable,
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

/** Distances of Foolbox, torchattacks, ART and SciPy on one small net: made by scripts/reference-minimum-norm.py. */

interface Reference {
  readonly layers: readonly {
    readonly rows: number
    readonly columns: number
    readonly weight: readonly number[]
    readonly bias: readonly number[]
  }[]
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

/** ReLU layers with their gradient by hand; weights stay as tensors for the whole file. */
const layers = reference.layers.map(({ rows, columns, weight, bias }) => {
  const w = tf.tensor2d([...weight], [rows, columns])
  return { w, wT: tf.transpose(w), b: tf.tensor1d([...bias]) }
})
const net: Attackable = {
  outputs: reference.layers.at(-1)!.rows,
  forward: x => tf.tidy(() => passOf(x).at(-1)!),
  inputGradient: (x, cotangent) => {
    const [outputs, gradient] = tf.tidy(() => {
      const values = passOf(x)
      let back: tf.Tensor2D = cotangent(values.at(-1)!)
      for (let k = layers.length - 1; k >= 0; k--) {
        back = tf.matMul(back, layers[k]!.w)
        if (k > 0) back = tf.mul(back, tf.step(values[k - 1]!))
      }
      return [values.at(-1)!, back]
    })
    return { outputs: outputs!, gradient: gradient! }
  },
}

function passOf(x: tf.Tensor2D): tf.Tensor2D[] {
  const values: tf.Tensor2D[] = []
  let h = x
  layers.forEach(({ wT, b }, k) => {
    h = tf.add(tf.matMul(h, wT), b)
    if (k < layers.length - 1) h = tf.relu(h)
    values.push(h)
  })
  return values
}

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

for (const [name, kind, attack, upTo, from] of [
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
    t.ok(ours.median <= upTo * theirs.median, `${ours.median} of ${theirs.median}`)
    t.ok(ours.median >= from * theirs.median, `${ours.median} of ${theirs.median}`)
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
