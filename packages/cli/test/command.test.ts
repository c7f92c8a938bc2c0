import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { main } from '@saddle/cli'
import t from 'tap'
import { paper } from './fixtures/runs.js'

const bin = fileURLToPath(new URL('../bin/saddle.js', import.meta.url))

/** The command in a process of its own, as a shell runs it. */
function saddle(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, SADDLE_DEBUG: undefined },
  })
  return { status, stdout, stderr }
}

/** The command in this process: the same code after the parsing of streams, and much quicker. */
async function inside(...args: string[]) {
  const terminal = paper()
  const status = await main(args, terminal)
  return { status, stdout: terminal.texts.out, stderr: terminal.texts.err }
}

t.test('every command explains itself, with examples', async t => {
  for (const command of [
    ...['train', 'resume', 'evaluate', 'gallery', 'devices', 'export', 'plan'],
    ...['submit', 'run-hosts', 'jobs', 'watch', 'cancel'],
  ]) {
    const { status, stdout, stderr } = await inside(command, '--help')
    t.equal(status, 0)
    t.match(stdout, new RegExp(`^Usage: saddle ${command} .*\\n\\n\\w`), command)
    t.match(stdout, new RegExp(`Examples?:\\n  saddle ${command}\\b`))
    t.equal(stderr, '')
    t.same((await inside('help', command)).stdout, stdout)
  }
  const { stdout } = await inside('--help')
  for (const word of ['train', 'resume', 'devices', 'export', 'plan', 'Exit codes: 0', '75'])
    t.ok(stdout.includes(word), word)
  t.match((await inside('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test('wrong usage exits with 2 and names what was probably meant', async t => {
  const cases = [
    [['trian'], /unknown command 'trian'\n.*train/],
    [['train', 'x.yaml', '--wrokers', '2'], /unknown option '--wrokers'\n.*--workers/],
    [['train'], /missing required argument 'CONFIG'/],
    [['train', 'x.yaml', '--workers', '1.5'], /whole number above 0, got "1.5"/],
    [['train', 'x.yaml', '--set', 'descent.steps'], /Expected path=value/],
    [['export', 'runs/x'], /required option '--out <FILE>'/],
    [['plan', '--epsilon', '-1'], /number above 0, got "-1"/],
    [['plan', '--theorem', '6.1'], /Allowed choices are 4\.1, 5\.1/],
    [['plan', '--loss', 'hubre'], /hubre.*huber/],
    [['plan', '--activation', 'relu'], /finite C2.*sincos/],
    [[], /Usage: saddle/],
  ] as const
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await inside(...args)
    t.equal(status, 2, args.join(' '))
    t.match(stderr, message)
    t.equal(stdout, '', 'nothing on stdout')
  }
})

t.test('a wrong configuration exits with 2, in one paragraph', async t => {
  const dir = t.testdir({
    'typo.yaml':
      'data: { classes: [3, 8] }\nnetwork: { width: 64, depht: 2 }\nperturbation: { kind: cap, radius: 0.1 }\n',
    'broken.yaml': 'network: { width: 64\n',
    'good.yaml':
      'network: { width: 64 }\nperturbation: { kind: cap, radius: 0.1 }\ndescent: { steps: 1 }\ndata: { classes: [3, 8] }\n',
  })
  const cases = [
    ['missing.yaml', [], /missing\.yaml.*no such file/],
    ['typo.yaml', [], /depht.*depth/s],
    ['broken.yaml', [], /line \d+, column \d+/],
    ['typo.yaml', ['--set', 'descent.stpes=3'], /nearest is "descent\.steps"/],
    ['good.yaml', ['--devices', 'cpu, wasm:1'], /compute\.devices\[1\].*cores are not numbered/s],
  ] as const
  for (const [file, flags, message] of cases) {
    const { status, stdout, stderr } = await inside('train', `${dir}/${file}`, ...flags)
    t.equal(status, 2, file)
    t.match(stderr, message)
    t.match(stderr, /^error: /)
    t.notMatch(stderr, /\n {4}at /, 'no stack')
    t.equal(stdout, '')
  }
})

t.test('a folder without a run is refused', async t => {
  const dir = t.testdir({})
  for (const args of [
    ['resume', dir],
    ['export', dir, '--out', `${dir}/w.safetensors`],
  ]) {
    const { status, stderr } = await inside(...args)
    t.not(status, 0)
    t.match(stderr, /^error: /)
    t.ok(stderr.includes(dir), 'names the folder')
  }
})

t.test('plan works Theorem 5.1 out with its proven constants', async t => {
  // The worked example of the theory: sin + cos, R = 2.87, ε = 0.2 asks for m ≥ 3393 (even: 3394), α = 0.05, T = 1648.
  const args = ['plan', '--epsilon', '0.2', '--radius', '2.87', '--activation', 'sincos']
  const { stdout } = await inside(...args)
  for (const text of ['m = 3,394', 'α = 0.05', 'T = 1,648', '[proven]', 'R = 2.87'])
    t.ok(stdout.includes(text), text)
  const plan = JSON.parse((await inside(...args, '--json')).stdout)
  t.match(plan, { theorem: '5.1', width: 3394, steps: 1648 })
  t.equal(plan.stepSize.toFixed(12), '0.050000000000')
})

t.test('plan says that the width of Theorem 4.1 is an order of magnitude', async t => {
  const { stdout } = await inside('plan', '--theorem', '4.1', '--epsilon', '0.1', '--depth', '2')
  // R⁹ H¹⁶ / ε⁷ = 65536 · 1e7
  t.ok(stdout.includes('m = 6.55e+11'), stdout)
  t.match(stdout, /constant unknown, set to 1/)
  t.match(stdout, /order of magnitude/)
})

t.test('plan says what memory a width takes, and which width fits', async t => {
  const flags = ['--theorem', '4.1', '--depth', '2', '--width', '4096', '--workers', '2']
  const { memory } = JSON.parse((await inside('plan', ...flags, '--json')).stdout)
  t.match(memory, { width: 4096, devices: { length: 2 }, split: 'examples' })
  const [{ name, parts, available, largestWidth }] = memory.rooms
  const [weights, initial, displacement] = parts
  t.equal(name, 'machine')
  // U is m × d, the second layer m × m.
  t.equal(weights.bytes, 4 * (4096 * 784 + 4096 ** 2))
  t.same([initial.bytes, displacement.bytes], [weights.bytes, weights.bytes])
  t.ok(largestWidth > 1000 && largestWidth < Math.sqrt(available / 12))
  t.equal(memory.largestWidth, largestWidth)
  const text = (await inside('plan', ...flags, '--devices', 'cpu,process:cpu')).stdout
  t.match(text, /Memory at width 4,096 on cpu, process:cpu, which split examples\nmachine: [\d.]+ /)
  t.match(text, /The largest width that fits is [\d,]+\./)
  const huge = (await inside('plan', ...flags, '--width', '10000000')).stdout
  t.match(huge, /does not fit/)
})

t.test(
  'plan takes a configuration, and train refuses the width that plan says is too much',
  async t => {
    const dir = t.testdir({
      'run.yaml': `data: { source: { kind: clusters, dimension: 16, clusters: 2, separation: 0.7, spread: 0.1 }, count: 40, testCount: 10 }
network: { family: deep, width: 64, depth: 2 }
perturbation: { kind: cap, radius: 0.1 }
descent: { steps: 1 }
compute: { devices: [cpu, cpu, wasm] }
`,
    })
    const plan = async (...args: string[]) => inside('plan', `${dir}/run.yaml`, ...args)
    const { memory } = JSON.parse((await plan('--json')).stdout)
    t.match(memory, { width: 64, devices: ['cpu', 'cpu', 'wasm'], split: 'examples' })
    const data = memory.rooms[0].parts.find((part: { name: string }) => part.name === 'data')
    t.equal(data.bytes, 4 * 50 * 17)
    t.match((await plan('--width', '128', '--devices', 'cpu')).stdout, /width 128 on cpu/)
    t.match(await plan('--devices', 'cuda:77'), { status: 2, stderr: /cuda/ })
    const out = `${dir}/run`
    const wide = ['--set', 'network.width=10000000', '--out', out]
    const refused = await inside('train', `${dir}/run.yaml`, ...wide)
    t.match(refused, { status: 2, stderr: /arrays take .* GiB.*largest width.*saddle plan/s })
    t.notOk(existsSync(out))
  },
)

t.test('devices loads every backend and says which one auto takes', async t => {
  const { status, stdout } = await inside('devices', '--json')
  t.equal(status, 0)
  const reports: { backend: string; available: boolean; preferred: boolean }[] = JSON.parse(stdout)
  const blas = reports.find(({ backend }) => backend === 'blas')
  const embedded = reports.filter(({ backend }) => backend === 'wasm' || backend === 'cpu')
  t.match(embedded, [
    { backend: 'wasm', available: true, preferred: !blas!.available },
    { backend: 'cpu', available: true, preferred: false },
  ])
  t.match(blas, { backend: 'blas', preferred: blas!.available })
  const text = (await inside('devices')).stdout
  const fastest = blas!.available ? 'blas' : 'wasm'
  t.match(text, new RegExp(`^${fastest} {2}available, what auto takes\n`, 'm'))
  t.match(text, blas!.available ? /^ {2}found (OpenBLAS|MKL|BLIS|NVPL|Accelerate)/m : /apt install/)
  t.match(text, /^cpu {2}available\n/m)
})

t.test('as a process: exit codes, and results apart from messages', async t => {
  const plan = saddle('plan', '--json')
  t.equal(plan.status, 0)
  t.equal(plan.stderr, '')
  t.equal(JSON.parse(plan.stdout).theorem, '5.1')
  const wrong = saddle('train', 'no-such.yaml')
  t.equal(wrong.status, 2)
  t.equal(wrong.stdout, '')
  t.match(wrong.stderr, /^error: .*no-such\.yaml/)
})

t.test('as a process: a signal saves a checkpoint, and resume goes on to the end', async t => {
  const dir = t.testdir({ 'tiny.yaml': tiny })
  const child = spawn(process.execPath, [bin, 'train', 'tiny.yaml', '--out', 'run'], { cwd: dir })
  let stderr = ''
  let stdout = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    const begun = stderr.includes('identity  step 1/')
    stderr += chunk
    if (!begun && stderr.includes('identity  step 1/')) child.kill('SIGINT')
  })
  const [code] = await once(child, 'close')
  t.equal(code, 75, stderr)
  t.equal(stdout, '')
  t.match(stderr, /stopping after this step/)
  t.match(stderr, /^stopped: .* steps of the baseline; .*`saddle resume run` goes on\.$/m)
  t.notOk(existsSync(`${dir}/run/config.yaml`), 'the main training had not begun')

  const flags = ['--quiet', '--json', '--workers', '2']
  const { status, stdout: json, stderr: silence } = saddle('resume', `${dir}/run`, ...flags)
  t.equal(status, 0, silence)
  t.equal(silence, '')
  const summary = JSON.parse(json)
  t.match(summary, { status: 'done', stepsDone: 60, run: `${dir}/run`, workers: 2 })
  t.match(summary.baseline, { status: 'done', stepsDone: 60, attack: { kind: 'identity' } })
  for (const name of ['loss', 'distance', 'projection'])
    t.match(readFileSync(`${dir}/run/pictures/${name}.svg`, 'utf8'), /^<svg /)

  const table = await inside('resume', `${dir}/run`)
  t.equal(table.status, 0)
  t.match(table.stdout, /identity +train .*\n.*test .*\n.*\npgd-2 +train/)
  t.equal(table.stderr, '', 'nothing was trained again')

  const file = `${dir}/weights.safetensors`
  const exported = await inside('export', `${dir}/run`, '--out', file)
  t.equal(exported.status, 0, exported.stderr)
  t.match(exported.stdout, /layers\.1\.weight {2}32 × 8\n {2}output\.weight {2}1 × 32\n/)
  t.ok(existsSync(file))

  const again = await inside('train', `${dir}/tiny.yaml`, '--out', `${dir}/run`, '--quiet')
  t.equal(again.status, 2, 'a run is not trained over')
})

/** Sixty steps that take a second or two, each long enough to be interrupted. */
const tiny = `
data:
  source: { kind: clusters, dimension: 8, separation: 0.8, spread: 0.1 }
  count: 64
  testCount: 32
network: { width: 32 }
perturbation: { kind: cap, radius: 0.1 }
attack: { kind: pgd, steps: 2 }
descent: { steps: 60, stepSize: 1, radius: 1 }
evaluation: { baseline: true, attack: { kind: pgd, steps: 2 } }
compute: { backend: wasm, workers: 1, shard: 8 }
`

t.test('as a process: a reader that goes away is no error', async t => {
  const child = spawn(process.execPath, [bin, 'plan'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  t.equal(code, 0)
  t.equal(stderr, '')
})
