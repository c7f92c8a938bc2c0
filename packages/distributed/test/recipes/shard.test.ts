import '@tensorflow/tfjs'
import { type AttackSpec, attackFrom, bindNetwork, pgd, uniform } from '@saddle/attacks'
import { lossFrom, perturbationSetFrom, type SetSpec, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import t from 'tap'
import type { StepRecipe } from '../../dist/recipes/recipe.js'
import { DIMENSION, replicaOf, worst } from './replicas.js'

await useBackend('cpu')

/** Float32 sums of some ten terms, through two layers. */
const ROUNDING = 5e-6

const pair = (outputs: number) =>
  ({
    family: 'two-layer',
    width: 12,
    depth: 1,
    outputs,
    activation: 'tanh',
    init: 'symmetric',
  }) as const
const deep = (outputs: number) =>
  ({
    family: 'deep',
    width: 16,
    depth: 2,
    outputs,
    activation: 'relu',
    init: 'paper',
  }) as const

const divergencePgd: AttackSpec = {
  ...pgd({ steps: 3, keepBest: false, loss: 'divergence' }).spec,
} as AttackSpec
const lastIterate = (steps: number, stepSize = 0.25) =>
  pgd({ steps, stepSize, keepBest: false }).spec

type Replicated = ReturnType<typeof replicaOf>

/** The point that an attack finds for the step, as the replica's key has it. */
function pointOf(
  { network, parameters, set, data, seed }: Replicated,
  attack: AttackSpec,
  loss: string,
) {
  const examples = Array.from({ length: data.count }, (_, i) => i)
  return scoped(() => {
    const x = tf.tensor2d(data.inputs, [data.count, DIMENSION])
    const { point } = attackFrom(attack).search(
      bindNetwork(network, parameters),
      x,
      tf.tensor1d(data.labels),
      {
        set: perturbationSetFrom(set),
        loss: lossFrom(loss),
        key: { seed, purpose: 'attack', step: 0, examples },
      },
    )
    return Float32Array.from(point.dataSync())
  })
}

for (const [loss, outputs] of [
  ['cross-entropy', 3],
  ['logistic', 1],
] as const)
  t.test(`the gradient of TRADES with ${loss} is that of tf.grad`, async t => {
    const replica = replicaOf({ network: pair(outputs), loss, examples: 7, window: 4 * 8 * 6 * 3 })
    const beta = 2.5
    const { reply, gradient } = replica.step({ kind: 'trades', attack: divergencePgd, beta })
    const { parameters, data } = replica
    const there = pointOf(replica, divergencePgd, loss)
    const wanted = scoped(() => {
      const n = data.count
      const [x, other] = [data.inputs, there].map(p => tf.tensor2d(p, [n, DIMENSION]))
      const a = parameters.frozen.output!
      const output = tf.tensor2d(Float32Array.from(a.data), [a.rows, a.cols])
      const scores = (weights: readonly tf.Tensor[], points: tf.Tensor) => {
        const [plus, minus] = weights.map(w => tf.tanh(tf.matMul(points, w, false, true)))
        const f = tf.div(tf.matMul(tf.sub(plus!, minus!), output), Math.sqrt(12))
        return outputs === 1 ? tf.concat([tf.mul(-0.5, f), tf.mul(0.5, f)], 1) : f
      }
      const places = Array.from(data.labels, y => (outputs === 1 ? Number(y > 0) : y))
      const one = tf.oneHot(tf.tensor1d(places, 'int32'), Math.max(2, outputs))
      const objective = (...weights: tf.Tensor[]) => {
        const [p, q] = [x!, other!].map(points => tf.logSoftmax(scores(weights, points)))
        const entropy = tf.neg(tf.sum(tf.mul(one, p!)))
        const divergence = tf.sum(tf.mul(tf.exp(p!), tf.sub(p!, q!)))
        return tf.div(tf.add(entropy, tf.mul(beta, divergence)), n)
      }
      const weights = parameters.trained.map(({ weights: { rows, cols, data } }) =>
        tf.tensor2d(Float32Array.from(data), [rows, cols]),
      )
      const gradients = tf.grads(objective as (...x: tf.Tensor[]) => tf.Tensor)(weights)
      return {
        gradients: gradients.map(g => Float32Array.from(g.dataSync())),
        loss: objective(...weights).dataSync()[0]!,
      }
    })
    const error = worst(gradient, wanted.gradients)
    t.ok(error < ROUNDING, `${error}`)
    const mean = reply.losses.reduce((a, b) => a + b, 0) / 7
    t.ok(Math.abs(mean - wanted.loss) < 1e-6, `${mean}, ${wanted.loss}`)
    // 3 gradient steps and two gradients in W; f(x) for the search, and for the cotangent at x'.
    t.same(reply.cost, { examples: 7, passes: 7 * 5, forwards: 7 * 2, firstLayer: 0 })

    const h = 1e-2
    const natural = replica.step({ kind: 'trades', attack: divergencePgd, beta: 0 })
    const plain = replica.attacked({ kind: 'identity' })
    t.ok(worst(natural.gradient, plain.gradient) < ROUNDING, 'β = 0 is natural training')
    t.ok(worst([natural.reply.losses], [plain.reply.losses]) < ROUNDING)
    // The objective along its gradient, x' held fixed: the slope of a central difference is ‖∇‖².
    const norm = gradient.reduce((s, g) => s + g.reduce((a, b) => a + b * b, 0), 0)
    const along = (by: number) => {
      const kept = parameters.trained.map(({ weights }) => Float64Array.from(weights.data))
      parameters.trained.forEach(({ weights }, i) => {
        weights.data.forEach((w, k) => {
          weights.data[k] = w + (by * gradient[i]![k]!) / Math.sqrt(norm)
        })
      })
      const value = tradesLoss(replica, there, loss, beta)
      parameters.trained.forEach(({ weights }, i) => {
        weights.data.set(kept[i]!)
      })
      return value
    }
    const slope = (along(h) - along(-h)) / (2 * h)
    t.ok(
      Math.abs(slope / Math.sqrt(norm) - 1) < 1e-3,
      `central difference ${slope}, ‖∇‖ ${Math.sqrt(norm)}`,
    )
  })

/** (1/n) Σ ℓ(f(x), y) + β KL from the outputs of two forward passes, in float64. */
function tradesLoss(
  { network, parameters, data }: Replicated,
  there: Float32Array,
  loss: string,
  beta: number,
): number {
  const n = data.count
  const c = network.spec.outputs
  return scoped(() => {
    const [f, g] = [data.inputs, there].map(points =>
      network.forward(parameters, tf.tensor2d(points, [n, DIMENSION])),
    )
    const losses = lossFrom(loss).value(f!, tf.tensor1d(data.labels)).dataSync()
    const logs = (from: tf.Tensor2D, i: number) => {
      const row = [...from.dataSync().subarray(i * c, (i + 1) * c)]
      const z = c === 1 ? [-row[0]! / 2, row[0]! / 2] : row
      const total = Math.log(z.reduce((s, v) => s + Math.exp(v), 0))
      return z.map(v => v - total)
    }
    let sum = 0
    for (let i = 0; i < n; i++) {
      const [p, q] = [logs(f!, i), logs(g!, i)]
      sum += losses[i]! + beta * p.reduce((s, v, j) => s + Math.exp(v) * (v - q[j]!), 0)
    }
    return sum / n
  })
}

for (const set of [
  { kind: 'linf', radius: 0.2 },
  { kind: 'l2', radius: 0.4 },
  { kind: 'box-linf', radius: 0.2 },
] as const satisfies SetSpec[])
  t.test(
    `free-m in ${set.kind} is plain training at x + δ, and one step of δ by its ∇ₓ`,
    async t => {
      for (const network of [pair(3), deep(3)]) {
        const replica = replicaOf({ network, loss: 'cross-entropy', set, examples: 9 })
        if (set.kind === 'box-linf')
          replica.data.inputs.set(replica.data.inputs.map(v => Math.abs(v) % 1))
        const { data, carried, parameters, network: net } = replica
        const stepSize = 0.7
        for (let at = 0; at < 3; at++) {
          const wanted = scoped(() => {
            const ball = perturbationSetFrom(set)
            const loss = lossFrom('cross-entropy')
            const x = tf.tensor2d(data.inputs, [9, DIMENSION])
            const y = tf.tensor1d(data.labels)
            const point = ball.project(
              x,
              tf.add(x, tf.tensor2d(carried.data.slice(), [9, DIMENSION])),
            )
            const cotangent = (f: tf.Tensor2D) => loss.derivative(f, y)
            const { factors, outputs } = net.gradientFactors(parameters, point, f =>
              tf.div(cotangent(f), 9),
            )
            const { gradient } = net.inputGradient(parameters, point, cotangent)
            const next = ball.advance(x, point, gradient, stepSize * ball.radius)
            return {
              gradient: factors.map(({ signal, input }) => tf.matMul(signal, input).dataSync()),
              losses: loss.value(outputs, y).dataSync(),
              carried: tf.sub(next, x).dataSync(),
            }
          })
          const before = carried.data.slice()
          const { reply, gradient } = replica.step({ kind: 'free', stepSize }, at)
          t.same(carried.data, before, 'a worker writes nothing that it would read again')
          t.ok(worst(gradient, wanted.gradient) < ROUNDING)
          t.ok(worst([reply.losses], [wanted.losses]) < ROUNDING)
          t.ok(worst([reply.carried!], [wanted.carried]) < ROUNDING, `δ after step ${at}`)
          t.same(reply.cost, { examples: 9, passes: 9, forwards: 0, firstLayer: 0 })
          carried.data.set(reply.carried!)
        }
        t.ok(carried.data.some(v => v !== 0))
      }
    },
  )

/** (1/k) Σ of gradients. */
function meanOf(gradients: readonly (readonly Float32Array[])[]): Float32Array[] {
  return gradients[0]!.map((first, m) =>
    first.map((_, i) => gradients.reduce((s, g) => s + g[m]![i]!, 0) / gradients.length),
  )
}

t.test('YOPO-m-0 is natural training on fixed noise, and YOPO-m-1 the mean along PGD', async t => {
  for (const [network, loss] of [
    [pair(1), 'logistic'],
    [deep(3), 'cross-entropy'],
  ] as const) {
    const replica = replicaOf({ network, loss, examples: 8 })
    const noise = replica.attacked(uniform().spec)
    const still = replica.step({ kind: 'yopo', passes: 4, inner: 0, stepSize: 0.25 })
    t.ok(worst(still.gradient, noise.gradient) < ROUNDING)
    t.ok(worst([still.reply.losses], [noise.reply.losses]) < ROUNDING)
    const along = [1, 2, 3].map(steps => replica.attacked(lastIterate(steps)).gradient)
    const yopo = replica.step({ kind: 'yopo', passes: 4, inner: 1, stepSize: 0.25 })
    t.ok(worst(yopo.gradient, meanOf([noise.gradient, ...along])) < ROUNDING)
    t.ok(worst(yopo.gradient, noise.gradient) > 1e-3, 'which is not that of the noise')
  }
})

t.test('with one hidden layer and one output the steps of YOPO are those of PGD', async t => {
  fc.assert(
    fc.property(fc.nat(100), fc.integer({ min: 1, max: 5 }), (seed, inner) => {
      // The derivative of the logistic loss keeps its sign: frozen or not, it points the same way.
      const replica = replicaOf({ network: pair(1), loss: 'logistic', examples: 5, seed })
      const noise = replica.attacked(uniform().spec).gradient
      const after = replica.attacked(lastIterate(inner, 0.2)).gradient
      const yopo = replica.step({ kind: 'yopo', passes: 2, inner, stepSize: 0.2 })
      const { passes, firstLayer } = yopo.reply.cost
      return (
        worst(yopo.gradient, meanOf([noise, after])) < ROUNDING &&
        passes === 5 * (2 + inner - 1) &&
        firstLayer === 0
      )
    }),
    { numRuns: 15 },
  )
  const replica = replicaOf({ network: deep(1), loss: 'logistic', examples: 20 })
  const after = replica.attacked(lastIterate(5, 0.2)).gradient
  const noise = replica.attacked(uniform().spec).gradient
  const yopo = replica.step({ kind: 'yopo', passes: 2, inner: 5, stepSize: 0.2 })
  t.ok(worst(yopo.gradient, meanOf([noise, after])) > 1e-3, 'with two layers they are not')
  t.same(yopo.reply.cost, { examples: 20, passes: 40, forwards: 0, firstLayer: 80 })
})

t.test('chunks of a shard change no more than the order of sums', async t => {
  for (const recipe of [
    { kind: 'free', stepSize: 1 },
    { kind: 'yopo', passes: 3, inner: 2, stepSize: 0.25 },
    { kind: 'trades', attack: divergencePgd, beta: 1 },
  ] as const) {
    const problem = { network: deep(3), loss: 'cross-entropy', examples: 11 }
    const whole = replicaOf(problem).step(recipe)
    // 8 bytes a signal: chunks of 4 examples.
    const chunks = replicaOf({ ...problem, window: 8 * 16 * 4 }).step(recipe)
    t.ok(worst(chunks.gradient, whole.gradient) < ROUNDING, recipe.kind)
    t.ok(worst([chunks.reply.losses], [whole.reply.losses]) < ROUNDING)
    t.same(chunks.reply.cost, whole.reply.cost)
  }
})

t.test('the cost is what an instrumented backend counts', async t => {
  // H = 2, m = 16, d = 6: W₂ is 16 × 16, W₁ 16 × 6. A pass up multiplies W₂ by n columns, a pass down n rows by W₂.
  const counts = { up: 0, down: 0, first: 0 }
  const kernel = tf.getKernel('BatchMatMul', 'cpu')!
  tf.unregisterKernel('BatchMatMul', 'cpu')
  tf.registerKernel({
    ...kernel,
    kernelFunc(parameters) {
      const { a, b } = parameters.inputs as unknown as Record<'a' | 'b', tf.TensorInfo>
      const [rows, inner] = a.shape.slice(-2)
      const [, columns] = b.shape.slice(-2)
      if (rows === 16 && inner === 16) counts.up += columns!
      if (inner === 16 && columns === 16) counts.down += rows!
      if (rows === 16 && inner === DIMENSION && columns !== 16) counts.first += columns!
      return kernel.kernelFunc(parameters)
    },
  })
  t.teardown(() => {
    tf.unregisterKernel('BatchMatMul', 'cpu')
    tf.registerKernel(kernel)
  })
  const recipes: StepRecipe[] = [
    ...(['identity', 'fgsm', 'r-fgsm', 'pgd', 'mim', 'apgd', 'stationary-pgd'] as const).map(
      kind => ({ kind: 'attack', attack: attackFrom({ kind } as AttackSpec).spec }) as const,
    ),
    {
      kind: 'attack',
      attack: { ...pgd().spec, kind: 'pgd', until: 'success', restarts: 2 } as AttackSpec,
    },
    {
      kind: 'attack',
      attack: {
        kind: 'stationary-pgd',
        steps: 8,
        stepSize: 0.25,
        start: 'uniform',
        criterion: 0.3,
      },
    },
    {
      kind: 'attack',
      attack: { kind: 'worst-case', attacks: [pgd({ steps: 2 }).spec, uniform().spec] },
    },
    { kind: 'trades', attack: divergencePgd, beta: 1 },
    { kind: 'free', stepSize: 1 },
    { kind: 'yopo', passes: 3, inner: 4, stepSize: 0.25 },
  ]
  const replica = replicaOf({ network: deep(3), loss: 'cross-entropy', examples: 11 })
  for (const recipe of recipes) {
    Object.assign(counts, { up: 0, down: 0, first: 0 })
    const { cost } = replica.step(recipe).reply
    const seen = {
      examples: 11,
      passes: counts.down,
      forwards: counts.up - counts.down,
      firstLayer: counts.first - counts.up,
    }
    t.same(cost, seen, `${JSON.stringify(recipe)}: ${JSON.stringify(seen)}`)
  }
})
