import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * Tries the backend `cuda` on the GPU of this machine, in a checkout that was built, without a network:
 *
 *     node scripts/gpu-check.mjs [--ordinal K] [--quick]
 *
 * What it finds, TensorFlow.js's tests, training against the cpu's figures and with one lane against two, and timings
 * in float32 and tf32 (training takes device 0, all else device K). The last line is JSON; exits with 1 if anything failed. `--quick` takes small sizes.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const core = join(root, 'packages/core')
const { networkFrom, scoped, useBackend } = await import(`${core}/dist/index.js`)
const { withPrecision } = await import(`${core}/dist/tensors/cuda/backend.js`)
const { train } = await import(`${root}/packages/distributed/dist/index.js`)
const tfFile = createRequire(`${core}/package.json`).resolve('@tensorflow/tfjs-core')
const tf = await import(pathToFileURL(tfFile).href)

const quick = process.argv.includes('--quick')
const ordinal = Number(process.argv[process.argv.indexOf('--ordinal') + 1]) || 0
const EXAMPLES = quick ? 16 : 1024
const report = { failures: [] }

const CONFIG = {
  name: 'gpu-check',
  seed: 11,
  data: {
    source: { kind: 'clusters', dimension: 20, clusters: 4, separation: 0.7, spread: 0.1 },
    count: 128,
    testCount: 16,
    sphere: { kind: 'bias', value: 0.5 },
  },
  network: { family: 'deep', width: quick ? 64 : 512, depth: 2, init: 'subtract' },
  perturbation: { kind: 'cap', radius: 0.05 },
  attack: { kind: 'pgd', steps: 3, stepSize: 0.5, start: 'uniform', objective: 'two-sided' },
  descent: { steps: 10, stepSize: 'theory', radius: 0.5 },
  evaluation: { attack: { kind: 'pgd', steps: 4 } },
  checkpoints: { every: 4 },
}

await step('device', device)
if (report.device) {
  await step('conformance', conformance)
  await step('training', training)
  await step('timings', timings)
}
console.log(JSON.stringify(report))
process.exitCode = report.failures.length === 0 ? 0 : 1

async function step(name, work) {
  console.log(`# ${name}`)
  try {
    report[name] = await work()
    console.log(JSON.stringify(report[name], null, 2))
  } catch (error) {
    report.failures.push({ step: name, message: error.message })
    console.log(`failed: ${error.message}`)
  }
}

async function device() {
  const { backend } = await useBackend('cuda', ordinal)
  return { found: backend.found(), devices: backend.devices() }
}

function conformance() {
  const script = join(core, 'test/tensors/conformance/run.mjs')
  const pattern = quick ? ['matmul|relu|sum'] : []
  const { stdout, stderr } = spawnSync(process.execPath, [script, 'cuda', ...pattern], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  const { passed, failures } = JSON.parse(stdout.trim().split('\n').at(-1) || 'null') ?? {
    failures: [{ name: 'the tests did not end', message: stderr.slice(-2000) }],
  }
  report.failures.push(...failures.map(failure => ({ step: 'conformance', ...failure })))
  return { passed, failed: failures.length }
}

/** Ten steps, small: equal weights for one lane and two, and the cpu's losses up to float32. */
async function training() {
  const out = mkdtempSync(join(tmpdir(), 'gpu-check-'))
  const run = (name, backend, workers) =>
    train({ ...CONFIG, compute: { backend, shard: 32 } }, { out: join(out, name), workers })
  try {
    const one = await run('one', 'cuda', 1)
    const two = await run('two', 'cuda', 2)
    const cpu = await run('cpu', 'cpu', 2)
    if (one.weights !== two.weights) fail('training', 'two lanes got other weights than one')
    const gap = Math.abs(one.train.robustLoss - cpu.train.robustLoss)
    if (!(gap < 1e-4 * (1 + cpu.train.robustLoss)))
      fail('training', `robust loss differs by ${gap}`)
    return { cuda: one.train, cpu: cpu.train }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

/** Square products, and the passes that a step of an attack takes, weights already on the device. */
async function timings() {
  await useBackend('cuda', ordinal)
  const rows = []
  for (const precision of ['float32', 'tf32']) {
    for (const m of quick ? [64] : [4096, 8192, 16384]) {
      const seconds = withPrecision(precision, () => productTime(m))
      rows.push({
        what: `${m}³ product`,
        precision,
        seconds,
        teraflops: (2 * m ** 3) / seconds / 1e12,
      })
    }
    for (const [depth, width] of quick
      ? [[2, 64]]
      : [
          [1, 65_536],
          [2, 16_384],
          [3, 16_384],
        ]) {
      const seconds = withPrecision(precision, () => passTime(depth, width))
      rows.push({
        what: `attack pass, H = ${depth}, m = ${width}, n = ${EXAMPLES}`,
        precision,
        seconds,
      })
    }
  }
  return rows
}

function productTime(m) {
  return scoped(() => {
    const [a, b] = [tf.fill([m, m], 0.5), tf.fill([m, m], 0.25)]
    return median(() => tf.matMul(a, b))
  })
}

function passTime(depth, width) {
  const inputs = quick ? 20 : 784
  const init = 'paper'
  const spec = { family: 'deep', activation: 'relu', inputs, width, depth, outputs: 1, init }
  const network = networkFrom(spec)
  const parameters = network.initialise(1)
  return scoped(() => {
    const x = tf.fill([EXAMPLES, inputs], 1 / Math.sqrt(inputs))
    return median(() => network.inputGradient(parameters, x, f => tf.onesLike(f)).gradient)
  })
}

/** Seconds of the middle one of seven, after two to warm up; reading one number back waits for the device. */
function median(compute) {
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now()
    scoped(() => tf.slice(compute(), [0, 0], [1, 1]).dataSync())
    return (performance.now() - start) / 1000
  })
  return times.slice(2).sort((p, q) => p - q)[3]
}

function fail(where, message) {
  report.failures.push({ step: where, message })
}
