import { bindNetwork } from '@saddle/attacks'
import { projectedStep, scoped, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import { machine, median } from './measure.mjs'
import { attack, drawNetwork, drawPoints, INPUTS, loss, set } from './one-step.mjs'

/**
 * Where the time of a training step goes, kernel by kernel:
 *
 *     node benchmarks/kernels.mjs [BACKEND] [FAMILY] [WIDTH] [DEPTH] [EXAMPLES]
 *
 * One thread, d = 784, PGD-5 in a cap. First the medians of the step's parts over 7 steps without any instrument;
 * then, from three more steps with a clock around each kernel and each call on arrays, the rate of the products beside
 * that of a large square one, and milliseconds a step, calls a step, and operands of the slowest ones.
 */
const [, , name = 'auto', family = 'two-layer', width = '4096', depth = '1', examples = '256'] =
  process.argv
const { backend } = await useBackend(name)
const n = Number(examples)
const { network, parameters } = drawNetwork(family, Number(width), Number(depth))
const follower = network.follow(parameters)
const model = { ...bindNetwork(network, parameters), follow: () => follower.inputGradient }
const { x, y, key } = drawPoints(n)

const parts = { attack: [], factors: [], update: [] }
step()
for (let round = 0; round < 7; round++) step(parts)
const where = machine()
console.log(
  `${backend.name}${backend.found ? `, ${backend.found()}` : ''}; ${where.cpu}, load ${where.load.toFixed(1)}, ` +
    `Node ${where.node}`,
)
console.log(`${family}, m = ${width}, H = ${depth}, n = ${n}, d = ${INPUTS}; one thread, ms:`)
for (const [part, times] of Object.entries(parts))
  console.log(`${part.padEnd(8)} ${median(times).toFixed(1).padStart(8)}`)

const { kernelFunc: product } = tf.getKernel('BatchMatMul', backend.name)
const clocks = new Map()
for (const kernel of tf.getKernelsForBackend(backend.name)) {
  tf.unregisterKernel(kernel.kernelName, backend.name)
  tf.registerKernel({ ...kernel, kernelFunc: call => clocked(kernel, call) })
}
const algebra = backend.algebra?.() ?? null
if (algebra !== null) clockAlgebra(algebra)
const ROUNDS = 3
const square = tf.randomUniform([1024, 1024])
const peaks = []
for (let round = 0; round < ROUNDS; round++) {
  peaks.push(peak(), peak(), peak())
  step()
}
report()

/** GFLOP/s of a 1024 × 1024 × 1024 product, between two steps. */
function peak() {
  const start = performance.now()
  product({ backend: tf.backend(), inputs: { a: square, b: square }, attrs: {} })
  return 2 ** 31 / (performance.now() - start) / 1e6
}

/** One training step; its parts' milliseconds are added to `times`. */
function step(times) {
  const timed = (part, work) => {
    const start = performance.now()
    const result = work()
    times?.[part].push(performance.now() - start)
    return result
  }
  scoped(() => {
    follower.forget()
    const point = timed('attack', () => {
      const found = attack.search(model, x, y, { set, loss, key })
      found.point.dataSync()
      return found.point
    })
    const factors = timed(
      'factors',
      () => follower.gradientFactors(point, f => loss.derivative(f, y)).factors,
    )
    timed('update', () => projectedStep(parameters, network, factors, 1e-6, 1))
  })
}

function clocked({ kernelName, kernelFunc }, call) {
  const inputs = Object.values(call.inputs).filter(input => input?.shape)
  const operands = inputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' ')
  const work = /MatMul/.test(kernelName) ? flops(call) : 0
  return clock(`${kernelName} ${operands}`, work, () => kernelFunc(call))
}

/** Calls on arrays: `product m × k, k × n`, and the sums of rows by their length. */
function clockAlgebra({ product, axpy }) {
  algebra.product = (shape, ...rest) => {
    const { m, n, k } = shape
    return clock(`product [${m}, ${k}] [${k}, ${n}]`, 2 * m * n * k, () => product(shape, ...rest))
  }
  algebra.axpy = (alpha, x, y) => clock(`axpy [${x.length}]`, 0, () => axpy(alpha, x, y))
}

function clock(what, flops, work) {
  const start = performance.now()
  const result = work()
  const time = performance.now() - start
  const entry = clocks.get(what) ?? { time: 0, calls: 0, flops: 0 }
  clocks.set(what, entry)
  entry.time += time / ROUNDS
  entry.calls += 1 / ROUNDS
  entry.flops += flops / ROUNDS
  return result
}

function flops({ inputs: { a, b }, attrs: { transposeA, transposeB } }) {
  const [m, k] = transposeA ? [a.shape.at(-1), a.shape.at(-2)] : a.shape.slice(-2)
  return 2 * m * k * (transposeB ? b.shape.at(-2) : b.shape.at(-1))
}

function report() {
  const rows = [...clocks].sort(([, p], [, q]) => q.time - p.time)
  const total = rows.reduce((sum, [, { time }]) => sum + time, 0)
  const products = rows.filter(([, { flops }]) => flops > 0)
  const productTime = products.reduce((sum, [, { time }]) => sum + time, 0)
  const productFlops = products.reduce((sum, [, { flops }]) => sum + flops, 0)
  console.log(
    `\nkernels ${total.toFixed(1)} ms a step, of which products ${productTime.toFixed(1)} ms for ` +
      `${(productFlops / 1e9).toFixed(1)} Gflop: ${(productFlops / productTime / 1e6).toFixed(1)} GFLOP/s ` +
      `(a square product of 1024 in between: ${median(peaks).toFixed(1)})\n`,
  )
  for (const [what, { time, calls, flops }] of rows.slice(0, 24)) {
    const rate = flops > 0 ? `  ${(flops / time / 1e6).toFixed(1)} GFLOP/s` : ''
    console.log(
      `${time.toFixed(2).padStart(9)} ms ${calls.toFixed(0).padStart(4)} ×  ${what}${rate}`,
    )
  }
}
