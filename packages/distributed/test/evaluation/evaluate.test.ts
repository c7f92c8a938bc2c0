import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { atRadius, attackFrom } from '@saddle/attacks'
import { boxLinf, lossFrom, mlpPasses, useBackend } from '@saddle/core'
import { type EvaluateOptions, evaluate } from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { readSafetensors } from '../../dist/checkpoint/safetensors.js'
import { readMlp } from '../../dist/models/read-mlp.js'
import { alone, COUNT, leftBy, predictionOf, standardRequest } from './subjects.js'

const folder = t.testdir()
const { layers, points, labels, files, attacks, request } = await standardRequest(folder)

t.test('figures are those of the attacks called by hand, example by example', async t => {
  const out = join(t.testdir(), 'out')
  const report = await evaluate({ ...request, out }, alone)
  const clean = points.map((x, i) => predictionOf(layers, x) === labels[i])
  t.equal(report.clean.accuracy, clean.filter(Boolean).length / COUNT)
  t.ok(report.clean.accuracy > 0.8 && report.clean.accuracy < 0.9, 'every seventh label is wrong')
  const { tensors } = await readSafetensors(join(out, 'examples.safetensors'))
  const { mlp } = await readMlp(files.model.file, 'relu')
  await useBackend('cpu')
  const byHand = attacks.map(spec => {
    // An evaluation's PGD is done at its first success unless it was told otherwise.
    const attack = attackFrom({
      ...spec,
      ...(spec.kind === 'pgd' && { until: 'success' }),
    } as never)
    return request.radii!.map(radius =>
      tf.tidy(() => {
        const { success, loss } = attack.run(
          mlpPasses(mlp),
          tf.tensor2d(points),
          tf.tensor1d(labels, 'float32'),
          {
            set: atRadius(boxLinf(1), radius),
            loss: lossFrom('cross-entropy'),
            key: { seed: 3, purpose: 'evaluation', step: 0, examples: points.map((_, i) => i) },
          },
        )
        return { success: success.dataSync(), losses: loss.dataSync() }
      }),
    )
  })
  const success = tensors.get('success')!
  t.same(success.shape, [3, 2, COUNT])
  byHand.forEach((radii, a) => {
    const smallest = radii[0]!
    const at = (r: number) => success.data.subarray((2 * a + r) * COUNT, (2 * a + r + 1) * COUNT)
    t.same([...at(0)], [...smallest.success], `attack ${a} at the smallest radius`)
    // At the larger one a point of the smaller that succeeded stays.
    t.ok(at(1).every((flag, i) => flag >= radii[1]!.success[i]!))
    const robust = clean.filter((right, i) => right && smallest.success[i] === 0).length
    t.equal(report.attacks[a]!.radii[0]!.robustAccuracy, robust / COUNT)
    const mean = Array.from(smallest.losses).reduce((sum, v) => sum + v, 0) / COUNT
    t.ok(Math.abs(report.attacks[a]!.radii[0]!.meanLoss - mean) < 1e-5)
  })
  const standing = (r: number) =>
    clean.filter((right, i) =>
      [0, 1, 2].every(a => right && success.data[(2 * a + r) * COUNT + i] === 0),
    ).length
  t.same(
    report.worstCase.map(w => Math.round(w.robustAccuracy * COUNT)),
    [standing(0), standing(1)],
  )
  t.ok(standing(1) < standing(0) && standing(1) > 0, 'the attacks do something, and not all')
  t.match(report.attacks[0], { name: 'fgsm', radii: [{ meanGradientSteps: 1, meanQueries: 2 }] })
  t.equal(report.attacks[1]!.name, 'pgd:steps=4,restarts=2,start=clean-first')
  t.ok(report.attacks[0]!.radii[0]!.fosc !== null)
})

t.test(
  'every worker count, shard and device leaves the same bits, adversarial points too',
  async t => {
    let k = 0
    const left = (options: EvaluateOptions) => leftBy(request, join(folder, `bits-${k++}`), options)
    const wasm = await left({ backend: 'wasm', workers: 1 })
    t.same(await left({ backend: 'wasm', workers: 4, shard: 384 }), wasm)
    t.same(await left({ devices: ['process:wasm'], shard: 256 }), wasm)
    const best = await left({ workers: 1, shard: 1000 })
    t.same(await left({ workers: 2 }), best)
  },
)

t.test('the points that are written are admissible and do what the report says', async t => {
  const out = join(t.testdir(), 'out')
  const file = join(out, 'adversarial.npy')
  const report = await evaluate(
    { ...request, out, saveAdversarial: file, examples: { from: 50, to: 200 } },
    alone,
  )
  const bytes = readFileSync(file)
  const header = 10 + bytes.readUInt16LE(8)
  t.match(bytes.toString('latin1', 10, header), /'descr': '<f4'.*'shape': \(2, 150, 6\)/)
  t.equal(header % 64, 0)
  const values = new Float32Array(Uint8Array.from(bytes.subarray(header)).buffer)
  request.radii!.forEach((radius, r) => {
    let standing = 0
    for (let i = 0; i < 150; i++) {
      const x = [...values.subarray((150 * r + i) * 6, (150 * r + i + 1) * 6)]
      const farthest = Math.max(...x.map((v, j) => Math.abs(v - points[50 + i]![j]!)))
      t.ok(farthest <= radius + 1e-6 && Math.min(...x) >= 0 && Math.max(...x) <= 1)
      if ([x, points[50 + i]!].every(at => predictionOf(layers, at) === labels[50 + i])) standing++
    }
    t.equal(report.worstCase[r]!.robustAccuracy, standing / 150)
  })
})
