import { readFileSync } from 'node:fs'
import { type Attack, apgd, apgdTargeted, bim, fgsm, mim, pgd } from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, type SetSpec, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import t from 'tap'
import { keyFor, upTo } from '../fixtures.js'
import { perceptron, savedLayers } from '../perceptron.js'
import { type Read, read } from '../table.js'

/**
 * What Foolbox, torchattacks and ART find on the same nets: scripts/reference-first-order.py made the file, which
 * names their versions.
 */

await useBackend('cpu')

interface Examples {
  readonly x: number[]
  readonly y: number[]
}

interface Reference {
  readonly versions: Readonly<Record<string, string>>
  readonly deterministic: Examples & {
    readonly radius: number
    readonly steps: number
    readonly stepSize: number
    readonly points: readonly {
      attack: 'fgsm' | 'bim' | 'pgd' | 'mim'
      set: SetSpec['kind']
      library: string
      points: number[]
    }[]
  }
  readonly adaptive: Examples & {
    readonly standing: readonly {
      attack: 'apgd' | 'apgd-targeted'
      loss: 'cross-entropy' | 'dlr'
      set: SetSpec['kind']
      radius: number
      standing: number
    }[]
  }
}

const { versions, deterministic, adaptive }: Reference = JSON.parse(
  readFileSync(new URL('../data/first-order.json', import.meta.url), 'utf8'),
)

const nets = {
  points: perceptron(savedLayers('first-order-points')),
  standing: perceptron(savedLayers('first-order-standing')),
}

function attacked(attack: Attack, net: keyof typeof nets, { x, y }: Examples, spec: SetSpec): Read {
  return scoped(() => {
    const loss = lossFrom('cross-entropy')
    const options = { set: perturbationSetFrom(spec), loss, key: keyFor(upTo(y.length)) }
    const inputs = tf.tensor2d(x, [y.length, x.length / y.length])
    return read(attack.run(nets[net], inputs, tf.tensor1d(y, 'float32'), options))
  })
}

t.test('deterministic attacks find the points of the other libraries', async t => {
  const { steps, stepSize, radius } = deterministic
  const ours = {
    fgsm: fgsm(),
    bim: bim({ steps, stepSize }),
    pgd: pgd({ steps, stepSize, start: 'clean', keepBest: false }),
    mim: mim({ steps, stepSize }),
  }
  for (const { attack, set, library, points } of deterministic.points) {
    const found = attacked(ours[attack], 'points', deterministic, { kind: set, radius })
    const apart = points.map((v, j) => Math.abs(v - found.point[j]!))
    const name = `${attack} in ${set} of ${library} ${versions[library]}`
    t.ok(Math.max(...apart) < 1e-4, `${name}: ${Math.max(...apart)}`)
  }
})

t.test('Auto-PGD leaves as many examples standing as that of torchattacks', async t => {
  const n = adaptive.y.length
  for (const { attack, loss, set, radius, standing } of adaptive.standing) {
    const ours = {
      apgd: apgd({ loss }),
      'apgd-targeted': apgdTargeted({ loss }),
    }
    const found = attacked(ours[attack], 'standing', adaptive, { kind: set, radius })
    const held = found.success.filter(s => s === 0).length
    // A point of 100, either way: starts are random, and each is its own.
    t.ok(
      Math.abs(held - standing) <= n / 100,
      `${attack} ${loss} ${set} ${radius}: ${held}, ${standing}`,
    )
  }
})
