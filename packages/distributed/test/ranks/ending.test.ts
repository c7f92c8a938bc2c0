import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ConfigInput, resume, train } from '@saddle/distributed'
import t from 'tap'
import { deep } from '../fixtures/configs.js'
import {
  type Ended,
  haveEnded,
  type Launcher,
  launchers,
  run,
  type Started,
  start,
} from '../fixtures/launchers.js'
import { metrics, starts } from '../fixtures/lines.js'

const saddle = fileURLToPath(new URL('../../../cli/bin/saddle.js', import.meta.url))

/** Steps long enough for signals to fall into them. */
const config: ConfigInput = {
  ...deep,
  network: { family: 'deep', width: 64, depth: 2, init: 'subtract' },
  attack: { kind: 'pgd', steps: 10, start: 'uniform' },
  descent: { steps: 60, stepSize: 'theory', radius: 0.5 },
  evaluation: { attack: { kind: 'fgsm' } },
  checkpoints: { every: 4 },
  compute: { backend: 'wasm', shard: 8, grace: 1 },
}

const folder = t.testdir({ 'run.json': JSON.stringify(config) })
const dir = `${folder}/run`

/** `saddle … --workers 1` as ranks. */
function saddleOn(launcher: Launcher, ranks: number, ...args: string[]): Started {
  const { command, options } = launcher
  return start([command, ...options, '-n', `${ranks}`, process.execPath, saddle, ...args])
}

function linesSoFar(): number {
  const file = `${dir}/metrics.jsonl`
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0
}

/** Waits until the run has taken so many steps; a job that ends before is left to the caller. */
async function reaches(steps: number, ended: Promise<Ended>): Promise<void> {
  let over = false
  void ended.finally(() => {
    over = true
  })
  while (linesSoFar() < steps && !over) await new Promise(done => setTimeout(done, 20))
}

/** The process of a rank in its latest start. */
function pidOf(rank: number): number {
  return starts(dir, rank).at(-1)!.pid
}

const resumed = ['resume', dir, '--workers', '1']
const skip = launchers.openmpi.missing

t.test(
  'a run that is ended in every way goes on to the bits and metrics of one',
  { skip },
  async t => {
    const expected = await train(config, { out: `${folder}/undisturbed`, workers: 1 })

    const first = saddleOn(
      launchers.openmpi,
      3,
      'train',
      `${folder}/run.json`,
      '--out',
      dir,
      '--workers',
      '1',
    )
    const killed = first.ended()
    await reaches(5, killed)
    const before = performance.now()
    process.kill(pidOf(1), 'SIGKILL')
    t.not((await killed).code, 0, 'a rank is killed: the job fails')
    t.ok(performance.now() - before < 60_000, 'within seconds')
    t.ok(await haveEnded(() => [0, 1, 2].map(pidOf)), 'nobody is left')

    const warned = saddleOn(launchers.openmpi, 2, ...resumed)
    const saved = warned.ended()
    await reaches(12, saved)
    process.kill(warned.pid, 'SIGUSR1')
    const { code, stderr } = await saved
    t.equal(code, 75, 'mpirun passes SIGUSR1 on')
    t.equal(stderr.match(/stopped on request after/g)?.length, 1, 'told once')
    const steps = Number(/after (\d+) of 60 steps/.exec(stderr)![1])
    t.ok(readdirSync(`${dir}/checkpoints`).includes(`step-${String(steps).padStart(6, '0')}`))

    if (!launchers.mpich.missing) {
      const asked = saddleOn(launchers.mpich, 2, ...resumed)
      const ended = asked.ended()
      await reaches(steps + 2, ended)
      process.kill(asked.pid, 'SIGTERM')
      const { code, stderr } = await ended
      t.match(stderr, /stopped on request after/, 'SIGTERM to the mpirun of MPICH')
      // Hydra now and then ends with 0 instead of its ranks' code when it is told to end itself.
      t.ok(code === 75 || code === 0, `exit code ${code}`)
    }

    const stuck = saddleOn(launchers.openmpi, 2, ...resumed)
    const given = stuck.ended()
    await reaches(34, given)
    const [zero, one] = [pidOf(0), pidOf(1)]
    process.kill(one, 'SIGSTOP')
    process.kill(zero, 'SIGTERM')
    const end = await given
    t.not(end.code, 0)
    t.match(end.stderr, /rank 0 of 2 was asked to stop and has waited 10? s for the others/)
    t.ok(await haveEnded(() => [zero, one]), 'a rank that hangs ends with the job')

    const summary = await resume(dir, { workers: 1 })
    t.equal(summary.weights, expected.weights)
    t.same([summary.train, summary.test], [expected.train, expected.test])
    t.same(metrics(dir), metrics(`${folder}/undisturbed`), 'no gaps, no repeats')
    t.equal(starts(dir, 0).length, launchers.mpich.missing ? 4 : 5)
  },
)

t.test('a launcher that joins up no ranks is refused before anything is written', async t => {
  const out = `${folder}/never`
  const step = { SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '2', SLURM_PROCID: '0' }
  const program = [process.execPath, saddle, 'train', `${folder}/run.json`, '--out', out]
  const { code, stderr } = await run(program, step)
  t.equal(code, 1)
  t.match(stderr, /srun started 2 processes, but nothing that joins them up: use srun --mpi=pmix/)
  t.notOk(existsSync(out))
})
