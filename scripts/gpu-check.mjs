import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Tries the backend `cuda` on the GPU of this machine, without a network: in a checkout that was built, or in the folder
 * that scripts/pack-gpu-check.mjs packs.
 *
 *     node scripts/gpu-check.mjs [--ordinal K] [--quick] [--torch DEVICE] [--out FILE]
 *
 * What it finds, TensorFlow.js's tests, training against the cpu's figures, one lane against two, and the rows of
 * benchmarks/rows/device.mjs against PyTorch where the Python that SADDLE_PYTHON names (default python3) has it, on
 * DEVICE (default cuda:K). Everything takes device K. `--quick` takes small sizes. A table at the end, all figures as
 * JSON in FILE (default gpu-check.json); exits with 1 if anything failed.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const core = join(root, 'packages/core')
const { useBackend } = await import(`${core}/dist/index.js`)
const { train } = await import(`${root}/packages/distributed/dist/index.js`)
const rowsFile = `${root}/benchmarks/rows/device.mjs`
const { deviceRows, peakRates, DEVICE_NETWORKS, QUICK_DEVICE_NETWORKS, FULL, QUICK } = await import(
  rowsFile
)

const quick = process.argv.includes('--quick')
const ordinal = Number(flag('--ordinal') ?? 0)
const device = `cuda:${ordinal}`
const where = { ordinal, torchDevice: flag('--torch') ?? device, memoryBytes: null }
const scale = quick ? QUICK : FULL
const report = { quick, failures: [] }

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

await step('device', findDevice)
if (report.device) {
  await step('conformance', conformance)
  await step('training', training)
  await step('benchmark', benchmark)
}
const file = resolve(flag('--out') ?? 'gpu-check.json')
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
for (const line of report.benchmark ? table(report.benchmark) : []) console.log(line)
for (const failure of report.failures) console.log(`FAILED ${JSON.stringify(failure)}`)
console.log(
  `${report.failures.length === 0 ? 'nothing failed' : 'something failed'}; all figures: ${file}`,
)
process.exitCode = report.failures.length === 0 ? 0 : 1

function flag(name) {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}

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

async function findDevice() {
  const { backend } = await useBackend('cuda', ordinal)
  const devices = backend.devices()
  const { memoryBytes, precisions = ['float32'] } = devices.find(d => d.ordinal === ordinal)
  where.memoryBytes = memoryBytes
  return { device, found: backend.found(), node: process.version, precisions, devices }
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
  const run = (name, ...devices) =>
    train({ ...CONFIG, compute: { devices, shard: 32 } }, { out: join(out, name) })
  try {
    const one = await run('one', device)
    const two = await run('two', device, device)
    const cpu = await run('cpu', 'cpu', 'cpu')
    if (one.weights !== two.weights) fail('training', 'two lanes got other weights than one')
    const gap = Math.abs(one.train.robustLoss - cpu.train.robustLoss)
    if (!(gap < 1e-4 * (1 + cpu.train.robustLoss)))
      fail('training', `robust loss differs by ${gap}`)
    return { cuda: one.train, cpu: cpu.train }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

/** The card's peak, and Saddle and PyTorch on it, network by network: a failure of one is that one's. */
async function benchmark() {
  const { precisions } = report.device
  const peak = await peakRates(precisions, quick ? 32 : 16_384, scale, where)
  const networks = []
  for (const [name, size] of Object.entries(quick ? QUICK_DEVICE_NETWORKS : DEVICE_NETWORKS)) {
    console.log(`  ${name}`)
    try {
      networks.push(await deviceRows(name, size, precisions, scale, where))
    } catch (error) {
      fail('benchmark', `${name}: ${error.message}`)
    }
  }
  return { scale, peak, networks }
}

function table({ peak, networks, scale: { examples, inputs, attackSteps } }) {
  const lines = [
    `n = ${examples}, d = ${inputs}, PGD-${attackSteps}; TFLOP/s of products, share of the peak by precision:`,
  ]
  for (const [precision, rates] of Object.entries(peak))
    lines.push(
      `  ${precision}: ${Object.entries(rates)
        .map(([who, rate]) => `${who} ${rate.toPrecision(3)}`)
        .join(', ')}`,
    )
  for (const { network, goal, skipped, refused = {}, rows = [] } of networks) {
    lines.push(
      skipped ? `${network}: skipped: ${skipped}` : `${network}  (goal: ${goal} × PyTorch)`,
    )
    for (const [form, reason] of Object.entries(refused))
      lines.push(`  PyTorch ${form}: skipped: ${reason}`)
    for (const row of rows) {
      const share = row.teraflops / Math.max(...Object.values(peak[row.precision]))
      const torch = Object.entries(row.torch).map(([form, found]) =>
        'missing' in found
          ? `${form}: ${found.missing}`
          : `${form} ${found.seconds.toPrecision(3)} s, ${found.teraflops.toPrecision(3)} TFLOP/s, ratio ${found.ratio.toFixed(2)}`,
      )
      lines.push(
        `  ${row.what.padEnd(7)}${row.precision.padEnd(8)} ${row.seconds.toPrecision(3)} s, ` +
          `${row.teraflops.toPrecision(3)} TFLOP/s (${(100 * share).toFixed(0)} %)${torch.map(t => ` | PyTorch ${t}`).join('')}`,
      )
    }
  }
  return lines
}

function fail(where, message) {
  report.failures.push({ step: where, message })
}
