import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main } from '@saddle/cli'
import { type RunSummary, readConfigFile, readMetrics, train } from '@saddle/distributed'
import t from 'tap'
import { paper } from '../fixtures/runs.js'
import { type Slurm, slurmMissing, startSlurm, until } from '../fixtures/slurm.js'

const bin = fileURLToPath(new URL('../../bin/saddle.js', import.meta.url))
const missing = slurmMissing()
/** Tests are skipped by name with this reason where there can be no cluster. */
const skip = missing ?? false
let slurm: Slurm | undefined
let dir: string

t.before(async () => {
  if (missing !== null) return
  slurm = await startSlurm()
  // A path with a blank and a quote: scripts must bear it.
  dir = join(slurm.dir, "it's here")
  mkdirSync(dir)
  process.env.XDG_STATE_HOME = join(slurm.dir, 'home')
  process.env.XDG_CONFIG_HOME = join(slurm.dir, 'home')
  Object.assign(process.env, slurm.environment, network)
  writeFileSync(join(dir, 'run.yaml'), run)
  writeFileSync(join(dir, 'sweep.yaml'), `${run}sweep: { seed: [0, 1, 2] }\n`)
})
t.teardown(() => slurm?.stop())

/** Both nodes have one host name, by which Open MPI would take them for one in shared memory: TCP over loopback. */
const network = {
  OMPI_MCA_pml: 'ob1',
  OMPI_MCA_btl: 'tcp,self',
  OMPI_MCA_btl_tcp_if_include: 'lo',
  OMPI_MCA_mpi_yield_when_idle: '1',
}

/** Seconds that anything may take on a machine that is very busy. */
const PATIENCE = 240

/** Enough steps that a test sees it at work, on any machine. */
const run = `
data:
  source: { kind: clusters, dimension: 8, separation: 0.8, spread: 0.1 }
  count: 64
network: { width: 32 }
perturbation: { kind: cap, radius: 0.1 }
attack: { kind: pgd, steps: 2 }
descent: { steps: 80, stepSize: 1, radius: 1 }
evaluation: { attack: { kind: fgsm } }
checkpoints: { every: 10 }
compute: { backend: wasm, workers: 1, shard: 16 }
`

async function saddle(...args: string[]) {
  const terminal = paper()
  const status = await main(args, terminal)
  return { status, stdout: terminal.texts.out, stderr: terminal.texts.err }
}

/** Submits a configuration, and returns the job's id. */
async function submit(file: string, out: string, ...flags: string[]): Promise<string> {
  const { status, stdout, stderr } = await saddle(
    ...['submit', join(dir, file), '--scheduler', 'slurm', '--out', join(dir, out)],
    ...['--backoff', '1', ...flags],
  )
  if (status !== 0) throw new Error(stderr)
  return /^Job +(\d+)/.exec(stdout)![1]!
}

const tool = (name: string, ...args: string[]) => spawnSync(name, args, { encoding: 'utf8' })

const summaryOf = (out: string): RunSummary | null => {
  const file = join(dir, out, 'summary.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null
}

/** All that the jobs of a run folder printed. */
const outputOf = (out: string): string =>
  readdirSync(join(dir, `${out}.job`))
    .filter(name => name.startsWith('output-'))
    .map(name => readFileSync(join(dir, `${out}.job`, name), 'utf8'))
    .join('\n')

const untilStep = (out: string, step: number) =>
  until(
    () => readMetrics(join(dir, out)).length >= step,
    PATIENCE,
    () => `${tool('squeue').stdout}${outputOf(out)}`,
  )

const untilDone = (out: string) =>
  until(
    () => summaryOf(out)?.status === 'done',
    PATIENCE,
    () => `${tool('squeue').stdout}${outputOf(out)}`,
  )

/** What the run comes to if nothing disturbs it. */
async function undisturbed(file: string, cell = 0, name = file): Promise<RunSummary> {
  const { cells } = await readConfigFile(join(dir, file))
  return train(cells[cell]!.config, { out: join(dir, `undisturbed-${name}-${cell}`) })
}

t.test('what Slurm would refuse is refused before anything is written', { skip }, async t => {
  const cases = [
    [['--partition', 'gpu'], /no partition "gpu"\. This cluster has main, short/],
    [['--nodes', '3'], /--nodes 3: partition main has 2/],
    [['--partition', 'short', '--nodes', '2'], /partition short has 1/],
    [['--partition', 'short', '--time', '11'], /--time 11: partition short gives at most 10:00/],
    [['--nodes', '2', '--mpi', 'pmi7'], /--mpi pmi7: srun knows .*pmi2/],
  ] as const
  for (const [flags, message] of cases) {
    await t.rejects(submit('run.yaml', 'refused', ...flags), message)
    t.notOk(existsSync(join(dir, 'refused.job')))
  }
  await t.rejects(
    submit('run.yaml', 'refused', '--sbatch', '--constraint=none'),
    /sbatch refused .*feature/i,
  )
})

t.test('an account is looked for where there is a database of them', { skip }, async t => {
  const asked = ['--account', 'lab', '--sbatch', '--constraint=none']
  // This cluster has none: the doubt is told, and sbatch has its say.
  await t.rejects(
    submit('run.yaml', 'refused', ...asked),
    /Whether there is an account "lab" cannot be told: .*no accounting database.*\n.*sbatch refused/s,
  )
  const path = process.env.PATH
  t.teardown(() => {
    process.env.PATH = path
  })
  process.env.PATH = `${t.testdir({})}:${path}`
  // What sacctmgr -nP prints, for a user with two accounts, for one without, and for a database of none.
  for (const [assoc, account, said] of [
    [
      'physics\nmaths\nphysics',
      'physics\nmaths\nroot',
      /has no account "lab" .* but physics, maths\./,
    ],
    ['', 'root', /There is no account "lab" on this cluster, but root\./],
    ['', '', /There is no account "lab" on this cluster, but none\./],
    ['lab', '', /^error: sbatch refused/],
    ['', 'root\nlab', /^error: sbatch refused/],
  ] as const) {
    const file = join(process.env.PATH!.split(':')[0]!, 'sacctmgr')
    writeFileSync(
      file,
      `#!/bin/sh\ncase $* in *assoc*) printf '${assoc}\\n' ;; *) printf '${account}\\n' ;; esac\n`,
      { mode: 0o755 },
    )
    await t.rejects(submit('run.yaml', 'refused', ...asked), said)
  }
})

t.test(
  'at its time limit a job saves and gets another turn; cancelled, it saves and does not come back',
  { skip },
  async t => {
    const long = ['--set', 'descent.steps=100000']
    // Slurm signals up to half a minute earlier than asked, which is soon after the start.
    const limit = ['--time', '1', '--save-before', '40', '--requeue']
    const id = await submit('run.yaml', 'limited', ...limit, ...long)
    await untilStep('limited', 2)
    t.match((await saddle('jobs')).stdout, new RegExp(`${id} +running +\\d+/100000 +0:\\d\\d`))
    t.match(
      (await saddle('watch', id, '--once')).stdout,
      /^pgd-2 {2}running {2}step \d+\/100000 {2}loss /,
    )
    await t.rejects(
      submit('run.yaml', 'limited', ...long),
      new RegExp(`Job ${id} \\(\\w+\\) is at work`),
    )
    await until(
      () => /\nsaved; waiting for another turn\n/.test(outputOf('limited')),
      PATIENCE,
      () => outputOf('limited'),
    )
    const first = summaryOf('limited')!
    t.equal(first.status, 'stopped')
    await untilStep('limited', first.stepsDone + 2)
    t.match(outputOf('limited'), new RegExp(`from step ${first.stepsDone}\\b`))
    t.match(await saddle('cancel', id), {
      status: 0,
      stdout: new RegExp(`Job ${id} is told to end`),
    })
    const state = async () =>
      JSON.parse((await saddle('jobs', '--json')).stdout).find(
        (job: { id: string }) => job.id === id,
      )
    await until(
      async () => !(await state()).active,
      PATIENCE,
      () => tool('squeue').stdout,
    )
    const { stepsDone, status } = summaryOf('limited')!
    t.equal(status, 'stopped')
    t.ok(
      readdirSync(join(dir, 'limited/checkpoints')).some(
        name => Number(name.slice(5)) === stepsDone,
      ),
    )
    t.same(
      readMetrics(join(dir, 'limited')).map(({ step }) => step),
      Array.from({ length: stepsDone }, (_, step) => step),
      'no step is lost or done twice',
    )
    t.match(await state(), {
      state: 'cancelled',
      active: false,
      runs: [{ phase: 'stopped', stepsDone }],
    })
    t.match(await saddle('watch', id), { status: 75, stderr: /stopped; nothing is at work/ })
    t.match(await saddle('cancel', id), { status: 2, stderr: /Nothing is at work/ })
  },
)

t.test(
  'an array trains the cells that are not done, and tries again after a crash',
  { skip },
  async t => {
    const first = await readConfigFile(join(dir, 'sweep.yaml'))
    const done = await train(first.cells[0]!.config, { out: join(dir, 'sweep', 'seed=0') })
    const id = await submit('sweep.yaml', 'sweep')
    await untilStep('sweep/seed=1', 25)
    const holder = JSON.parse(readFileSync(join(dir, 'sweep/seed=1/lock'), 'utf8'))
    process.kill(holder.pid, 'SIGKILL')
    const expected = await undisturbed('sweep.yaml', 1)
    const watched = await saddle('watch', id, '--interval', '0.2')
    t.equal(watched.status, 0, watched.stderr)
    t.equal(summaryOf('sweep/seed=1')!.weights, expected.weights)
    t.equal(
      summaryOf('sweep/seed=0')!.seconds,
      done.seconds,
      'the cell that was done is left alone',
    )
    t.match(outputOf('sweep'), /failed with 137; try 1 of 3 in 1 s/)
    t.same(readdirSync(join(dir, 'sweep.job')).filter(name => name.startsWith('output')).length, 2)
    t.match((await saddle('jobs')).stdout, new RegExp(`${id} +3 done +240/240`))
    const again = await saddle(
      'submit',
      join(dir, 'sweep.yaml'),
      '--scheduler',
      'slurm',
      '--out',
      join(dir, 'sweep'),
    )
    t.match(again, { status: 0, stdout: /all 3 cells are done; nothing to submit/ })
  },
)

const openMpi = spawnSync('mpirun.openmpi', ['--version']).status === 0
const skipRanks = openMpi
  ? skip
  : (missing ?? 'Open MPI is not installed (apt install openmpi-bin)')

t.test('two nodes save, and one node goes on to the same weights', { skip: skipRanks }, async t => {
  const first = await submit('run.yaml', 'wide', '--nodes', '2')
  await untilStep('wide', 2)
  // To all ranks of the step, as a preemption's signal.
  t.equal(tool('scancel', '--signal=USR1', first).status, 0)
  await until(
    () => summaryOf('wide') !== null,
    PATIENCE,
    () => outputOf('wide'),
  )
  t.match(summaryOf('wide'), { status: 'stopped', ranks: 2 })
  const active = async () =>
    JSON.parse((await saddle('jobs', '--json')).stdout).some(
      (job: { id: string; active: boolean }) => job.id === first && job.active,
    )
  await until(
    async () => !(await active()),
    PATIENCE,
    () => tool('squeue').stdout,
  )
  t.notMatch(outputOf('wide'), /waiting for another turn/, 'it was not asked to come back')
  await submit('run.yaml', 'wide', '--nodes', '1')
  const [expected] = await Promise.all([undisturbed('run.yaml', 0, 'wide'), untilDone('wide')])
  t.match(summaryOf('wide'), { weights: expected.weights, ranks: 1 })
  t.same(
    readMetrics(join(dir, 'wide')).map(({ step }) => step),
    Array.from({ length: 80 }, (_, step) => step),
  )
})

const mpich = spawnSync('mpirun.mpich', ['--version']).status === 0
const skipMpich = mpich ? skip : (missing ?? 'MPICH is not installed (apt install mpich)')

for (const [mpi, library, reason] of [
  ['pmi2', 'MPICH', skipMpich],
  ['mpirun', 'Open MPI', skipRanks],
] as const)
  t.test(`ranks of ${library} on two nodes are joined up by ${mpi}`, { skip: reason }, async t => {
    const few = 'descent.steps=3'
    await submit('run.yaml', mpi, '--nodes', '2', '--mpi', mpi, '--set', few)
    const { cells } = await readConfigFile(join(dir, 'run.yaml'), [few])
    const undisturbed = train(cells[0]!.config, { out: join(dir, `undisturbed-${mpi}`) })
    const [expected] = await Promise.all([undisturbed, untilDone(mpi)])
    t.match(summaryOf(mpi), { weights: expected.weights, ranks: 2 })
    t.match(readFileSync(join(dir, mpi, 'log.jsonl'), 'utf8'), `"collective":"${library} `)
  })

t.test('ranks that nothing joins up are refused', { skip: skipRanks }, async t => {
  const command = [
    process.execPath,
    bin,
    'train',
    join(dir, 'run.yaml'),
    '--out',
    join(dir, 'split'),
  ]
  const { status, stderr } = tool('srun', '--mpi=none', '-N2', '-n2', ...command)
  t.not(status, 0)
  t.match(stderr, /srun started 2 processes, but nothing that joins them up: use srun --mpi=pmix/)
  t.notOk(existsSync(join(dir, 'split')))
})
