import { fileURLToPath } from 'node:url'
import { openCollective } from '@saddle/distributed'
import t, { type Test } from 'tap'
import { launchedBy } from '../../dist/collective/launcher.js'
import {
  type Ended,
  haveEnded,
  type Launcher,
  launchers,
  linesOf,
  run,
  runRanks,
} from '../fixtures/launchers.js'

const program = fileURLToPath(new URL('../fixtures/collective.mjs', import.meta.url))

interface Report {
  readonly kind: string
  readonly rank: number
  readonly size: number
  readonly localRank: number
  readonly library: string
  readonly results: readonly Record<string, unknown>[]
}

/** Eight wrong calls, and one after the end. */
const REFUSED = [...Array(4).fill('SHAPE'), 'RANGE', ...Array(3).fill('SHAPE'), 'COLLECTIVE']

const SCENARIOS = 'suite,order,traps,refused'

function checkSuite(t: Test, ended: Ended, kind: string, size: number) {
  t.equal(ended.code, 0, ended.stderr)
  const reports = linesOf<Report>(ended.stdout).sort((a, b) => a.rank - b.rank)
  t.same(
    reports.map(r => [r.kind, r.rank, r.size, r.localRank]),
    Array.from({ length: size }, (_, r) => [kind, r, size, r]),
  )
  for (const { library, results } of reports) {
    t.match(library, { solo: 'none', openmpi: /^Open MPI v\d/, mpich: /^MPICH \d/ }[kind])
    const [suite, order, traps, refused] = results
    // 4 lengths in 3 places: for 4 classes a gather and a broadcast of each root, for 3 a sum, for 2 a maximum; and
    // what lies around the pieces, once a class and length; and an exchange from all to all, once a class.
    t.same(suite, { checks: 12 * (4 + 4 * size + 3 + 2) + 16 + 4, failures: [] })
    // Cut into pieces, only the table is gone through.
    if (results.length === 1) continue
    t.same(order, { failures: [], ticked: true })
    t.match(traps, { trap: /out of bounds/, sums: 20 })
    t.same(refused, { codes: REFUSED })
  }
}

t.test('a process alone needs nothing installed', async t => {
  checkSuite(t, await run([process.execPath, program, SCENARIOS]), 'solo', 1)
})

const JOBS: [Launcher, size: number, mostAtOnce?: number][] = [
  [launchers.openmpi, 1],
  [launchers.openmpi, 2],
  [launchers.openmpi, 3],
  [launchers.openmpi, 2, 700],
  [launchers.mpich, 2],
  [launchers.mpich, 3],
]

for (const [launcher, size, mostAtOnce] of JOBS) {
  const pieces = mostAtOnce === undefined ? '' : `, at most ${mostAtOnce} numbers a call`
  t.test(
    `${launcher.kind}: ${size} ranks${pieces} get what they should, in the order of calls`,
    { skip: launcher.missing },
    async t => {
      const args = mostAtOnce === undefined ? [SCENARIOS] : ['suite', 'auto', `${mostAtOnce}`]
      const ended = await runRanks(launcher, size, [program, ...args])
      checkSuite(t, ended, launcher.kind, size)
    },
  )
}

/**
 * What ends a job, the exit code it then has, and what the ranks say, Saddle or the program. A rank that is killed and one
 * that aborts say nothing, and a launcher may end itself before it passes on what it would say; MPICH's ends ranks at once.
 */
const ENDS: [scenario: string, codes: { openmpi: number; mpich: number }, said?: RegExp][] = [
  ['die', { openmpi: 137, mpich: 9 }],
  ['abort', { openmpi: 42, mpich: 42 }],
  ['vanish', { openmpi: 1, mpich: 1 }, /rank 1 of 2 ends \(exit code 0\) without having closed/],
  ['thrown', { openmpi: 1, mpich: 1 }, /out of luck(?:.|\n)*rank 1 of 2 ends \(exit code 1\)/],
  ['mismatch', { openmpi: 7, mpich: 7 }],
]

for (const launcher of [launchers.openmpi, launchers.mpich])
  for (const [scenario, codes, said] of ENDS) {
    // How a process ends is Node's and not the library's.
    if (launcher.kind === 'mpich' && ['vanish', 'thrown'].includes(scenario)) continue
    t.test(
      `${launcher.kind}: ${scenario} ends the whole job`,
      { skip: launcher.missing },
      async t => {
        const { code, signal, stdout, stderr } = await runRanks(launcher, 2, [program, scenario])
        // Left alone, the other rank would go on for ever.
        t.same([code, signal], [codes[launcher.kind], null], stderr)
        if (said !== undefined) t.match(stdout + stderr, said)
        if (scenario === 'die' && launcher.kind === 'openmpi')
          t.match(stderr, /rank 0 of 2 is told to end by SIG(CONT|TERM)/)
        const finished = linesOf<{ results?: unknown }>(stdout).filter(({ results }) => results)
        t.same(finished, [], 'no rank comes to its end')
        if (scenario === 'mismatch') {
          const [{ errors } = { errors: [] }] = linesOf<{ errors: string[] }>(stdout)
          t.match(errors[0], /^COLLECTIVE: MPI_Bcast of .*truncated/i)
          t.same(errors, Array(3).fill(errors[0]), 'nothing more is sent after a failure')
        }
        const pids = linesOf<{ up?: number }>(stdout).flatMap(({ up }) => up ?? [])
        t.ok(await haveEnded(() => pids), 'no rank is left')
      },
    )
  }

t.test('a rank that the launcher cannot join up refuses to work alone', async t => {
  const refusals: [string, Launcher, kind: string, said: RegExp][] = [
    [
      'MPICH by Open MPI',
      launchers.openmpi,
      'mpich',
      /MPICH 4.* for rank 0 of 1, but Open MPI's mpirun .* of 2/,
    ],
    [
      'Open MPI by MPICH',
      launchers.mpich,
      'openmpi',
      /Open MPI v.* for rank 0 of 1, but MPICH's mpirun .* of 2/,
    ],
    [
      'solo by Open MPI',
      launchers.openmpi,
      'solo',
      /started 2 processes, but a job of one process was asked for/,
    ],
  ]
  for (const [name, launcher, kind, said] of refusals) {
    const skip = launcher.missing || (kind !== 'solo' && launchers[kind as 'mpich'].missing)
    await t.test(name, { skip }, async t => {
      const { code, signal, stderr } = await runRanks(launcher, 2, [program, 'suite', kind])
      t.notOk(code === 0 || signal !== null, `exit code ${code}`)
      t.match(stderr, said)
      t.match(stderr, /COLLECTIVE/)
    })
  }
})

t.test('a library that is not there, or another one, is an error that says what to do', async t => {
  const attempt = (SADDLE_MPI: string) =>
    run([process.execPath, program, 'suite', 'openmpi'], { SADDLE_MPI })
  const absent = await attempt('/nowhere/libmpi.so')
  t.match(absent.stderr, /COLLECTIVE/)
  t.match(absent.stderr, /Open MPI could not be opened: \/nowhere\/libmpi.so.*apt|openmpi-bin/)
  await t.test('another', { skip: launchers.mpich.missing }, async t => {
    const { code, stderr } = await attempt('libmpich.so.12')
    t.match(stderr, /Expected the library of Open MPI, got "MPICH 4/)
    t.equal(code, 1)
  })
})

t.test('the launcher is known by the variables it leaves', async t => {
  const mpirun = { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '2', PMIX_RANK: '2' }
  const hydra = { PMI_SIZE: '3', PMI_RANK: '1', PMI_FD: '6', HYDI_CONTROL_FD: '7' }
  const step = {
    SLURM_STEP_ID: '0',
    SLURM_STEP_NUM_TASKS: '8',
    SLURM_NTASKS: '8',
    SLURM_PROCID: '5',
  }
  const table: [string, NodeJS.ProcessEnv, ReturnType<typeof launchedBy>][] = [
    ['nobody', {}, null],
    ['a batch script alone', { SLURM_JOB_ID: '7', SLURM_NTASKS: '8' }, null],
    [
      'mpirun of Open MPI',
      mpirun,
      { launcher: "Open MPI's mpirun", library: 'openmpi', size: 4, rank: 2 },
    ],
    [
      'the same in a Slurm job',
      { ...step, ...mpirun },
      { launcher: "Open MPI's mpirun", library: 'openmpi', size: 4, rank: 2 },
    ],
    ['mpirun of MPICH', hydra, { launcher: "MPICH's mpirun", library: 'mpich', size: 3, rank: 1 }],
    [
      'the same in a Slurm job',
      { ...step, ...hydra },
      { launcher: "MPICH's mpirun", library: 'mpich', size: 3, rank: 1 },
    ],
    [
      'srun --mpi=pmi2',
      { ...step, PMI_SIZE: '8', PMI_RANK: '5' },
      { launcher: 'srun --mpi=pmi2', library: 'mpich', size: 8, rank: 5 },
    ],
    [
      'srun --mpi=pmix',
      { ...step, PMIX_RANK: '5' },
      { launcher: 'srun --mpi=pmix', library: 'openmpi', size: 8, rank: 5 },
    ],
    ['srun without either', step, { launcher: 'srun', library: null, size: 8, rank: 5 }],
    [
      'PMIx without Slurm',
      { PMIX_RANK: '0' },
      { launcher: 'a PMIx launcher', library: 'openmpi', size: null, rank: 0 },
    ],
  ]
  for (const [name, environment, launch] of table) t.same(launchedBy(environment), launch, name)
})

t.test('srun that joins up nothing is refused, for one task it is a process alone', async t => {
  const names = ['SLURM_STEP_ID', 'SLURM_STEP_NUM_TASKS'] as const
  t.teardown(() => {
    for (const name of names) delete process.env[name]
  })
  process.env.SLURM_STEP_ID = '0'
  process.env.SLURM_STEP_NUM_TASKS = '2'
  await t.rejects(openCollective(), { code: 'COLLECTIVE', message: /--mpi=pmix for Open MPI/ })
  process.env.SLURM_STEP_NUM_TASKS = '1'
  t.equal((await openCollective()).kind, 'solo')
})
