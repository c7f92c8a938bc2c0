import { writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  deepReluNetwork,
  mlpPasses,
  type Network,
  openStream,
  twoLayerNetwork,
  useBackend,
} from '@saddle/core'
import { exportPerceptron } from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'
import t, { type Test } from 'tap'
import {
  readSafetensors,
  type SafeTensor,
  writeSafetensors,
} from '../../dist/checkpoint/safetensors.js'
import { describeMlp, readMlp } from '../../dist/models/read-mlp.js'

await useBackend('cpu')

const torch = fileURLToPath(new URL('../data/torch/', import.meta.url))

/** By file: the activation, and what it says of itself. */
const MODELS = {
  relu: ['relu', '15 → 10 → 5, relu', ['0', '2']],
  'scalar-half': ['softplus', '6 → 12 → 1, softplus:1', ['0', '2']],
  bfloat: ['silu', '6 → 9 → 4, silu', ['0', '2']],
  double: ['ReLU', '6 → 9 → 4, relu', ['0', '2']],
  named: ['tanh', '6 → 8 → 8 → 3, tanh', ['body.0', 'body.3', 'head']],
  'many-layers': [
    'gelu',
    '5 → 6 → 6 → 6 → 6 → 6 → 6 → 4, gelu',
    ['0', '2', '4', '6', '8', '10', '12'],
  ],
  linear: [undefined, '7 → 3, linear', ['']],
} as const

t.test('what PyTorch saved computes here what it computes there', async t => {
  for (const [name, [activation, description, names]] of Object.entries(MODELS)) {
    const model = await readMlp(join(torch, `${name}.safetensors`), activation)
    t.equal(describeMlp(model.mlp), description)
    t.same(model.names, names)
    t.same(model.remarks.length, name === 'double' ? 1 : 0)
    const { tensors } = await readSafetensors(join(torch, `${name}.expected.safetensors`))
    const [x, c] = ['x', 'cotangent'].map(key => tensors.get(key)!)
    const { outputs, gradient } = tf.tidy(() => {
      const held = matrix(c!)
      const pass = mlpPasses(model.mlp).inputGradient(matrix(x!), () => held)
      return { outputs: pass.outputs.dataSync(), gradient: pass.gradient.dataSync() }
    })
    // PyTorch computed in float64; a few layers of float32 sums of order 1 differ from it by some 1e-7 each.
    t.ok(worst(outputs, tensors.get('outputs')!.data) < 2e-6, `${name}: outputs`)
    t.ok(worst(gradient, tensors.get('gradient')!.data) < 2e-6, `${name}: gradient`)
  }
})

t.test('a network of Saddle comes back from its export as the same function', async t => {
  const networks: readonly Network[] = [
    deepReluNetwork({ inputs: 6, width: 16, depth: 2, init: 'mirrored', outputs: 3 }),
    deepReluNetwork({ inputs: 6, width: 16, depth: 1 }),
    twoLayerNetwork({ inputs: 6, width: 16, activation: 'gs:0.5' }),
  ]
  for (const network of networks) {
    const parameters = network.initialise(3)
    // The two halves of equation (4) cancel at their start.
    const { data } = parameters.trained[0]!.weights
    openStream({ seed: 4, purpose: 'test.moved' }).fillNormal(data, 0.5)
    const file = join(t.testdir(), 'exported.safetensors')
    await exportPerceptron(network.toPerceptron(parameters), file)
    const { mlp } = await readMlp(file)
    t.equal(mlp.activation, network.activation.name)
    const points = new Float32Array(30)
    openStream({ seed: 5, purpose: 'test.points' }).fillNormal(points, 1)
    const [direct, imported] = tf.tidy(() => {
      const x = tf.tensor2d(points, [5, 6])
      return [network.forward(parameters, x).dataSync(), mlpPasses(mlp).forward(x).dataSync()]
    })
    const largest = Math.max(...direct!.map(Math.abs))
    t.ok(largest > 0.1)
    t.ok(worst(direct!, imported!) < 1e-6 * Math.max(1, largest), `${network.spec.family}`)
    await t.rejects(readMlp(file, 'tanh'), { code: 'CONFIG', message: /leave the option out/i })
  }
})

t.test('equal weights have equal hashes, others do not', async t => {
  const hash = async (name: string, activation: string) =>
    (await readMlp(join(torch, `${name}.safetensors`), activation)).hash
  t.equal(await hash('relu', 'relu'), await hash('relu', 'ReLU'))
  t.not(await hash('relu', 'relu'), await hash('relu', 'tanh'))
  t.not(await hash('relu', 'relu'), await hash('double', 'relu'))
})

t.test('a file that is no perceptron is refused, saying why and what to do', async t => {
  const weight = (name: string, shape: number[], fill = 1) => ({
    name,
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fill),
  })
  const cases: readonly (readonly [RegExp, readonly SafeTensor[], string?])[] = [
    [/no tensor/, []],
    [/2\.bias but no weight/, [weight('0.weight', [2, 3]), weight('2.bias', [2])]],
    [
      /"4" takes 5 inputs, but "0" before it has 2 outputs.*layer missing/,
      [weight('0.weight', [2, 3]), weight('4.weight', [4, 5])],
    ],
    [/"0.bias" has 3 numbers for 2 outputs/, [weight('0.weight', [2, 3]), weight('0.bias', [3])]],
    [/"conv.weight" of shape \[8,1,3,3\]/, [weight('conv.weight', [8, 1, 3, 3])]],
    [
      /"1.weight" of shape \[4\].*normalisation/,
      [weight('0.weight', [4, 2]), weight('1.weight', [4])],
    ],
    [/"1.running_mean"/, [weight('0.weight', [4, 2]), weight('1.running_mean', [4])]],
    [/do not tell the order.*"a", "b"/, [weight('a.weight', [2, 2]), weight('b.weight', [2, 2])]],
    [
      /do not tell the order/,
      [weight('features.0.weight', [2, 2]), weight('classifier.0.weight', [2, 2])],
    ],
    [/is not finite/, [weight('0.weight', [2, 2], Number.NaN)]],
    [/is not finite in float32/, [{ ...weight('0.weight', [1, 1]), data: Float64Array.of(1e300) }]],
    [/whole numbers/, [{ ...weight('0.weight', [1, 1]), data: Int32Array.of(1) }]],
    [/is empty/, [weight('0.weight', [0, 3])]],
  ]
  for (const [message, tensors, activation] of cases)
    await t.rejects(readMlp(await file(t, tensors), activation ?? 'relu'), {
      code: 'DATA',
      message,
    })
  const two = await file(t, [weight('0.weight', [2, 3]), weight('2.weight', [1, 2])])
  await t.rejects(readMlp(two), { code: 'CONFIG', message: /--activation relu/ })
  await t.rejects(readMlp(two, 'rleu'), { code: 'CONFIG', message: /rleu.*relu/ })
  await t.rejects(readMlp(join(t.testdir(), 'x.safetensors'), 'relu'), {
    code: 'DATA',
    message: /no such file/,
  })
  const damaged = join(t.testdir(), 'x.safetensors')
  writeFileSync(damaged, 'PK')
  await t.rejects(readMlp(damaged, 'relu'), { code: 'CHECKPOINT' })
})

async function file(t: Test, tensors: readonly SafeTensor[]): Promise<string> {
  const path = join(t.testdir(), 'x.safetensors')
  await using handle = await open(path, 'w')
  await writeSafetensors(handle, tensors)
  return path
}

function matrix({ shape, data }: SafeTensor): tf.Tensor2D {
  return tf.tensor2d(Float32Array.from(data), shape as [number, number])
}

function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (v, i) => Math.abs(v - b[i]!)))
}
