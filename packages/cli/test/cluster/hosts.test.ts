import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main } from '@saddle/cli'
import { parseConfig, readMetrics } from '@saddle/distributed'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { launchers } from '../../../distributed/test/fixtures/launchers.js'
import { type Launcher, supervise } from '../../dist/cluster/supervise.js'
import { findProgram } from '../../dist/cluster/tools.js'
import { configMapSchema, metadataSchema, mpiJobProblems } from '../fixtures/mpijob-schema.js'
import { paper } from '../fixtures/runs.js'
import { until } from '../fixtures/slurm.js'

const bin = fileURLToPath(new URL('../../bin/saddle.js', import.meta.url))

async function saddle(...args: string[]) {
  const terminal = paper()
  const status = await main(args, terminal)
  return { status, stdout: terminal.texts.out, stderr: terminal.texts.err }
}

const run = `
name: hosts
data: { source: { kind: clusters, dimension: 8, separation: 0.8, spread: 0.1 }, count: 64 }
network: { width: 32 }
perturbation: { kind: cap, radius: 0.1 }
attack: { kind: pgd, steps: 2 }
descent: { steps: 60, stepSize: 1, radius: 1 }
evaluation: { attack: { kind: fgsm } }
checkpoints: { every: 10 }
compute: { backend: wasm, workers: 1, shard: 16 }
`

/** Hosts `left` and `right` on this machine: what ssh would run there runs here, unless the host is down. */
const agent = `#!/bin/sh
here=$(dirname "$0")
host=$1
shift
[ ! -e "$here/$host-is-down" ] || { echo "ssh: connect to host $host: No route to host" >&2; exit 255; }
[ ! -e "$here/$host-is-old" ] || { sh -c "$*" | sed 's/^[0-9][.0-9]*$/0.0.1/'; exit 0; }
exec sh -c "$*"
`

/** A world for a supervisor: what each launch ends with, and what it was asked for. */
function world(codes: readonly number[], given: Partial<Launcher> = {}) {
  const told: string[] = []
  const left = [...codes]
  const hosts = [
    { name: 'a', slots: 2 },
    { name: 'b', slots: 1 },
  ]
  const launcher: Launcher = {
    probe: async () => hosts.map(host => ({ host, problem: null, differs: false })),
    launch: async on => {
      told.push(`launch ${on.map(({ name }) => name).join('+')}`)
      return left.shift() ?? 0
    },
    progress: async () => '',
    pause: async seconds => void told.push(`pause ${seconds}`),
    note: text => void told.push(text),
    stopping: () => false,
    ...given,
  }
  return { launcher, told, hosts }
}

t.test(
  'a job that fails is started again after a pause that doubles, a bounded number of times',
  async t => {
    const { launcher, told } = world([137, 205, 0])
    t.equal(await supervise(launcher, { retries: 3, backoff: 2 }), 0)
    t.same(
      told.filter(text => !text.startsWith('ended')),
      ['launch a+b', 'pause 2', 'launch a+b', 'pause 4', 'launch a+b'],
    )
    t.match(told, ['launch a+b', 'ended with 137; try 1 of 3 in 2 s'])
    const bad = world([1, 1, 1, 1, 1])
    await t.rejects(supervise(bad.launcher, { retries: 2, backoff: 1 }), {
      code: 'WORKER',
      message: /failed 3 times in a row.*ended with 1/,
    })
    t.equal(bad.told.filter(text => text.startsWith('launch')).length, 3)
  },
)

t.test('a new checkpoint forgives the failures before it', async t => {
  let checkpoints = 0
  const { launcher, told } = world([1, 1, 1, 1, 1, 1, 0], {
    progress: async () => String(checkpoints++),
  })
  t.equal(await supervise(launcher, { retries: 1, backoff: 1 }), 0)
  t.equal(told.filter(text => text === 'pause 1').length, 6, 'and the pause is short again')
})

t.test('it goes on with the hosts that answer, and with all when they are back', async t => {
  let asked = 0
  const { launcher, told, hosts } = world([205, 205, 0], {
    probe: async () => {
      const down = asked++ === 1
      return hosts.map(host => ({
        host,
        problem: down && host.name === 'b' ? 'No route to host' : null,
        differs: false,
      }))
    },
  })
  t.equal(await supervise(launcher, { retries: 5, backoff: 1 }), 0)
  t.same(
    told.filter(text => /launch|without/.test(text)),
    ['launch a+b', 'going on without b: No route to host', 'launch a', 'launch a+b'],
  )
  const none = world([], {
    probe: async () => hosts.map(host => ({ host, problem: 'down', differs: false })),
  })
  await t.rejects(supervise(none.launcher, { retries: 1, backoff: 1 }), {
    message: /no host answers/,
  })
})

t.test('a request to stop, and wrong usage, are not tried again', async t => {
  for (const code of [2, 75]) {
    const { launcher, told } = world([code])
    t.equal(await supervise(launcher, { retries: 3, backoff: 1 }), code)
    t.same(told, ['launch a+b'])
  }
  // mpirun ends with 1 when it was told to end.
  t.equal(
    await supervise(world([1], { stopping: () => true }).launcher, { retries: 3, backoff: 1 }),
    75,
  )
})

t.test('a dry run prints the command of mpirun, exactly', async t => {
  const dir = t.testdir({ 'run.yaml': run })
  const file = join(dir, 'run.yaml')
  const out = join(dir, "r'un")
  const flags = [
    '--hosts',
    'a:2,b:2',
    '--ssh',
    'ssh -i key',
    '--workers',
    '3',
    '--mpirun-option=--timestamp-output',
    '--out',
    out,
    '--dry-run',
  ]
  const direct = await saddle('run-hosts', file, ...flags)
  t.equal(direct.status, 0, direct.stderr)
  t.equal((await saddle('submit', file, '--scheduler', 'mpirun', ...flags)).stdout, direct.stdout)
  const words = execFileSync('sh', ['-c', `printf '%s\\0' ${direct.stdout}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)
  t.equal(words[0], 'mpirun.openmpi')
  t.match(
    direct.stdout,
    / --bind-to none -mca mpi_yield_when_idle 1 -mca oob_tcp_keepalive_time 3 .* -mca plm_rsh_agent 'ssh -i key' .*-H a:2,b:2 -n 4 --timestamp-output /,
  )
  t.same(words.slice(-8), [
    process.execPath,
    bin,
    'train',
    `${out}.job/config.yaml`,
    '--out',
    out,
    '--workers',
    '3',
  ])
  t.notOk(existsSync(`${out}.job`))
})

t.test('hosts that are down, or have another Saddle, are refused before any work', async t => {
  const dir = t.testdir({
    'run.yaml': run,
    'agent.sh': agent,
    'mpirun.openmpi': '#!/bin/sh\necho "mpirun (Open MPI) 4.1.4"\n',
  })
  for (const name of ['agent.sh', 'mpirun.openmpi']) chmodSync(join(dir, name), 0o755)
  const path = process.env.PATH
  process.env.PATH = `${dir}:${path}`
  t.teardown(() => {
    process.env.PATH = path
  })
  const go = () =>
    saddle(
      'run-hosts',
      join(dir, 'run.yaml'),
      '--hosts',
      'left,right',
      '--ssh',
      join(dir, 'agent.sh'),
      '--out',
      join(dir, 'out'),
    )
  writeFileSync(join(dir, 'right-is-down'), '')
  t.match(await go(), {
    status: 2,
    stderr: /right: ssh: connect to host right: No route to host\. Nothing was started/,
  })
  execFileSync('mv', [join(dir, 'right-is-down'), join(dir, 'left-is-old')])
  t.match(await go(), { status: 2, stderr: /left: it has Saddle 0\.0\.1, and this host \d/ })
  t.notOk(existsSync(join(dir, 'out')))
  t.match(await saddle('run-hosts', join(dir, 'run.yaml'), '--hosts', 'a:0'), {
    status: 2,
    stderr: /node1:2,node2:2/,
  })
  process.env.PATH = '/nowhere'
  t.match(await saddle('run-hosts', join(dir, 'run.yaml'), '--hosts', 'a'), {
    status: 2,
    stderr: /mpirun is not on PATH/,
  })
})

/** Every shape of manifest there is: with and without each of what may be asked for. */
const SHAPES: readonly (readonly string[])[] = [
  [],
  ['--nodes', '4', '--ranks-per-node', '2', '--gpus-per-node', '8', '--cpus', '16'],
  ['--nodes', '3', '--memory', '64Gi', '--workers', '8', '--namespace', 'lab'],
  ['--gpus-per-node', '1', '--retries', '0', '--backoff', '60', '--backend', 'wasm'],
]

t.test('a manifest for the MPI Operator is one that its definition accepts', async t => {
  const dir = t.testdir({ 'run.yaml': run })
  const image = 'lab/saddle:1 # "x"\n'
  const manifest = (...flags: readonly string[]) =>
    saddle(
      ...['submit', join(dir, 'run.yaml'), '--scheduler', 'kubernetes', '--image', image],
      ...['--claim', 'shared', '--out', "runs/a 'b'", '--dry-run', ...flags],
    )
  for (const flags of SHAPES) {
    const { status, stdout, stderr } = await manifest(...flags)
    t.equal(status, 0, stderr)
    const documents = parseAllDocuments(stdout)
    t.same(
      documents.flatMap(({ errors }) => errors),
      [],
    )
    const [map, job] = documents.map(document => document.toJS())
    const { data, metadata } = configMapSchema.parse(map)
    t.match(parseConfig(parse(data['config.yaml']!)).descent, { steps: 60, stepSize: 1, radius: 1 })
    t.same(mpiJobProblems(job), [], flags.join(' '))
    t.same(metadataSchema.parse(job.metadata), metadata)
    t.equal(metadata.name, 'saddle-hosts')
    const { Launcher, Worker } = job.spec.mpiReplicaSpecs
    const [[launcher], [worker]] = [Launcher, Worker].map(r => r.template.spec.containers)
    t.equal(worker.image, image, 'values are not read as YAML')
    t.same(worker.volumeMounts, launcher.volumeMounts)
    execFileSync('bash', ['-n', '-c', launcher.args[0]])
  }
  const { stdout } = await manifest('--nodes', '4', '--gpus-per-node', '8', ...['--cpus', '16'])
  const job = parseAllDocuments(stdout)[1]!.toJS()
  const { Launcher, Worker } = job.spec.mpiReplicaSpecs
  t.same([Launcher.replicas, Worker.replicas], [1, 4])
  t.same(Worker.template.spec.containers[0].resources, {
    limits: { cpu: 16, 'nvidia.com/gpu': 8 },
  })
  const { env } = Launcher.template.spec.containers[0]
  t.match(Object.fromEntries(env.map(({ name, value }: Record<string, string>) => [name, value])), {
    RUN: "/runs/a 'b'",
    RANKS: '4',
    FLAGS: '',
    RETRIES: '3',
    BACKOFF: '10',
  })
})

t.test(
  "the manifest's launcher has all ranks save when its pod is told to end",
  { skip: launchers.openmpi.missing },
  async t => {
    const dir = t.testdir({ 'run.yaml': run, bin: {} })
    const { stdout } = await saddle(
      ...['submit', join(dir, 'run.yaml'), '--scheduler', 'kubernetes', '--image', 'i'],
      ...['--claim', 'c', '--nodes', '2', '--workers', '1', '--dry-run'],
      ...['--set', 'descent.steps=100000'],
    )
    const [map, job] = parseAllDocuments(stdout).map(document => document.toJS())
    const file = join(dir, 'config.yaml')
    writeFileSync(file, map.data['config.yaml'])
    writeFileSync(join(dir, 'bin/saddle'), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`)
    chmodSync(join(dir, 'bin/saddle'), 0o755)
    const mpirun = findProgram(launchers.openmpi.command)!
    symlinkSync(mpirun, join(dir, 'bin/mpirun'))
    const [{ args, env }] = job.spec.mpiReplicaSpecs.Launcher.template.spec.containers
    const given: Record<string, string> = Object.fromEntries(
      env.map(({ name, value }: Record<string, string>) => [name, value]),
    )
    t.match(given, { RANKS: '2', FLAGS: '--workers 1' })
    const out = join(dir, 'out')
    const child = spawn('bash', ['-c', args[0].replace('/config/config.yaml', file)], {
      stdio: 'ignore',
      detached: true,
      env: {
        ...process.env,
        ...given,
        RUN: out,
        PATH: `${join(dir, 'bin')}:${process.env.PATH}`,
        OMPI_MCA_rmaps_base_oversubscribe: '1',
      },
    })
    const closed = once(child, 'close')
    t.teardown(() => {
      if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL')
    })
    await until(
      () => child.exitCode !== null || (existsSync(out) && readMetrics(out).length >= 2),
      240,
      () => 'no step was made',
    )
    child.kill('SIGTERM')
    t.same(await closed, [75, null])
    const { status, ranks } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
    t.same([status, ranks], ['stopped', 2])
  },
)

t.test("what the operator's definition does not accept is found", async t => {
  const dir = t.testdir({ 'run.yaml': run })
  const { stdout } = await saddle(
    ...['submit', join(dir, 'run.yaml'), '--scheduler', 'kubernetes', '--image', 'i'],
    ...['--claim', 'c', '--gpus-per-node', '8', '--dry-run'],
  )
  const faults: readonly [from: string, to: string, problem: RegExp][] = [
    ['slotsPerWorker: 1', 'slotPerWorker: 1', /^\/spec must NOT .*: slotPerWorker$/],
    ['slotsPerWorker: 1', 'slotsPerWorker: "1"', /slotsPerWorker must be integer/],
    ['slotsPerWorker: 1', 'slotsPerWorker: 3000000000', /slotsPerWorker must match format "int32"/],
    ['restartPolicy: OnFailure', 'restartpolicy: Never', /Launcher must NOT .*: restartpolicy/],
    ['"nvidia.com/gpu":8', '"nvidia.com/gpu":{"count":8}', /limits\/nvidia\.com~1gpu must be/],
    ['"nvidia.com/gpu":8', '"memory":"many"', /limits\/memory must match pattern/],
    ['mountPath: /runs', 'path: /runs', /volumeMounts\/1 must have required property 'mountPath'/],
    ['claimName:', 'claim:', /persistentVolumeClaim must NOT .*: claim$/],
    ['name: RETRIES', 'name: RUN', /env must not have two elements with equal keys/],
    ['containers:', 'container:', /spec must have required property 'containers'/],
  ]
  for (const [from, to, problem] of faults) {
    t.match(stdout, from)
    const problems = mpiJobProblems(parseAllDocuments(stdout.replace(from, to))[1]!.toJS())
    t.ok(
      problems.some(text => problem.test(text)),
      `${to}: ${problems.join('; ')}`,
    )
  }
})

t.test('what a manifest cannot say is refused', async t => {
  const dir = t.testdir({ 'run.yaml': run })
  const submit = (...flags: string[]) =>
    saddle('submit', join(dir, 'run.yaml'), '--scheduler', 'kubernetes', ...flags)
  const whole = ['--image', 'i', '--claim', 'c', '--dry-run']
  t.match(await submit('--image', 'i', '--claim', 'c'), {
    status: 2,
    stderr: /only prints a manifest: add --dry-run/,
  })
  t.match(await submit('--dry-run'), { status: 2, stderr: /needs --image/ })
  t.match(await submit(...whole, '--set', 'sweep={seed: [1, 2]}'), { status: 2, stderr: /one run/ })
  t.match(await submit(...whole, '--set', 'data.source={kind: csv, file: x.csv}'), {
    status: 2,
    stderr: /files of this machine/,
  })
})
