import { bindNetwork } from '@saddle/attacks'
import { loadData, scoped, useBackend } from '@saddle/core'
import { type ConfigInput, loadNetwork, readMetrics, train } from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'

/**
 * What is known to go wrong in adversarial training goes wrong here too, on MNIST at its 28 × 28 pixels. The seed is fixed and the
 * bounds are wide: another seed, or the rounding of another machine, ends elsewhere but fails in the same way.
 */

const base: ConfigInput = {
  seed: 1,
  data: { source: { kind: 'mnist' }, count: 400, testCount: 200, sphere: { kind: 'none' } },
  network: { family: 'two-layer', width: 128 },
  perturbation: { kind: 'box-linf', radius: 0.3 },
  descent: { steps: 150, stepSize: 0.3, batch: 100 },
  evaluation: { attack: { kind: 'pgd', steps: 20, stepSize: 0.1 } },
  compute: { backend: 'wasm' },
}
const search = { kind: 'pgd', steps: 5, stepSize: 0.4 } as const

const folder = t.testdir()
let runs = 0

async function trained(config: ConfigInput) {
  const out = `${folder}/${runs++}`
  return { out, summary: await train(config, { out, workers: 1 }) }
}

/** The share of the test examples that the network takes for the class it names most often, of two by a sign. */
async function oneSided(out: string): Promise<number> {
  const { config, network, parameters } = await loadNetwork(out)
  const { test } = await loadData(config.data, { seed: config.seed })
  await useBackend('wasm')
  const positive = scoped(() => {
    const x = tf.tensor2d(test!.inputs, [test!.count, test!.dimension])
    const f = bindNetwork(network, parameters).forward(x).dataSync()
    return f.filter(v => v > 0).length / test!.count
  })
  return Math.max(positive, 1 - positive)
}

// Madry et al. 2018, Figure 4: where capacity is small a strong adversary leaves a network nothing to learn.
t.test('a narrow network under a strong adversary ends with one class for all', async t => {
  const config: ConfigInput = {
    ...base,
    data: { ...base.data, classes: [3, 8] },
    network: { ...base.network, width: 16 },
    loss: 'logistic',
    perturbation: { kind: 'box-linf', radius: 0.45 },
    descent: { ...base.descent, steps: 100, stepSize: 0.5 },
    evaluation: { attack: { kind: 'identity' } },
  }
  const natural = await trained({ ...config, attack: { kind: 'identity' } })
  const robust = await trained({ ...config, attack: search })
  const [free, collapsed] = [await oneSided(natural.out), await oneSided(robust.out)]
  const accuracies = [natural, robust].map(({ summary }) => summary.test!.cleanAccuracy)
  t.comment(`one class: ${free}, ${collapsed}; clean accuracy: ${accuracies}`)
  t.ok(free < 0.6 && accuracies[0]! > 0.9, 'trained on the images themselves it tells 3 from 8')
  t.ok(collapsed > 0.9 && accuracies[1]! < 0.6, 'against radius 0.45 it does not')
})

// Madry et al. 2018, Appendix B, and Wong, Rice & Kolter 2020: catastrophic overfitting.
t.test('one step without a random start trains against itself, and not against PGD', async t => {
  const config: ConfigInput = {
    ...base,
    data: { ...base.data, classes: [0, 1, 7], labels: 'classes' },
    loss: 'cross-entropy',
  }
  const [fgsm, pgd] = [
    await trained({ ...config, attack: { kind: 'fgsm' } }),
    await trained({ ...config, attack: search }),
  ]
  /** Under the attack that trains, in the last epoch. */
  const own = readMetrics(fgsm.out)
    .slice(-4)
    .reduce((sum, { robustAccuracy }) => sum + robustAccuracy / 4, 0)
  const under = [fgsm, pgd].map(({ summary }) => summary.test!.robustAccuracy)
  t.comment(`own: ${own}; under PGD-20: ${under}`)
  t.ok(own > 0.9, 'its own attack does nothing to it')
  t.ok(under[0]! < 0.25, 'and PGD nearly everything')
  t.ok(under[1]! > under[0]! + 0.15, 'as many steps against PGD leave more standing')
})
