import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { main } from '@saddle/cli'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { parseHosts, ranksOf } from '../../dist/cluster/hosts.js'
import { commentLine, outputPattern, sbatchQuote, shellJoin } from '../../dist/cluster/quote.js'
import { fillTemplate } from '../../dist/cluster/template.js'
import { parseTimeLimit } from '../../dist/cluster/time-limit.js'
import { paper, summary } from '../fixtures/runs.js'
import { until } from '../fixtures/slurm.js'

/** The command in this process. */
async function saddle(...args: string[]) {
  const terminal = paper()
  const status = await main(args, terminal)
  return { status, stdout: terminal.texts.out, stderr: terminal.texts.err }
}

const run = `
data: { classes: [3, 8] }
network: { width: 64 }
perturbation: { kind: cap, radius: 0.1 }
descent: { steps: 3 }
`

/** A folder with configurations, and this process's environment so that no user's settings play a part. */
function folder(t: Test, files: Parameters<Test['testdir']>[0] = {}): string {
  const dir: string = t.testdir({
    'run.yaml': run,
    'sweep.yaml': `${run}sweep: { network.width: [64, 128], seed: [0, 1, 2] }\n`,
    ...(files as object),
  })
  for (const [name, value] of [
    ['XDG_STATE_HOME', join(dir, 'state')],
    ['XDG_CONFIG_HOME', join(dir, 'config')],
    ['SADDLE_TEMPLATES', undefined],
  ] as const) {
    const before = process.env[name]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
    t.teardown(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
  return dir
}

const slurm = (...args: string[]) => saddle('submit', ...args, '--scheduler', 'slurm', '--dry-run')

t.test('a shell reads quoted words back as they were', async t => {
  const word = fc.string({ unit: 'grapheme', maxLength: 12 }).map(text => text.replaceAll('\0', ''))
  const nasty = fc.constantFrom(
    "'",
    '"',
    '$HOME',
    '`id`',
    '\\',
    '\n',
    ' ',
    '*',
    '~',
    '!',
    'A=1',
    '=ls',
    '#',
    '-n',
    '',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(word, nasty), { minLength: 1, maxLength: 40 }), words => {
      const script = `printf '%s\\0' ${shellJoin(words)}`
      const read = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1)
      return JSON.stringify(read) === JSON.stringify(words)
    }),
    { numRuns: 60 },
  )
  t.throws(() => shellJoin(['a\0b']), { code: 'CONFIG' })
  t.equal(shellJoin(['saddle', 'train', 'a b.yaml', "it's"]), "saddle train 'a b.yaml' 'it'\\''s'")
  // The first word of a command would be an assignment.
  t.equal(
    execFileSync('sh', ['-c', `${shellJoin(['A=1'])} || echo no`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
    'no\n',
  )
})

t.test('values of #SBATCH lines and comments stay in their line', t => {
  t.equal(sbatchQuote('gpu,low'), 'gpu,low')
  t.equal(sbatchQuote('/a b/"c"\\'), '"/a b/\\"c\\"\\\\"')
  t.throws(() => sbatchQuote('a\n#SBATCH --uid=0'), { code: 'CONFIG', message: /line break/ })
  t.equal(outputPattern('/50%/x'), '/50%%/x')
  t.throws(() => outputPattern('/a\\b'), { code: 'CONFIG', message: /backslash/ })
  t.equal(commentLine('a\nrm -rf /\r\tb'), 'a rm -rf / b')
  t.end()
})

t.test("time limits are read in all of Slurm's forms", t => {
  const cases = [
    ['90', 5400],
    ['90:30', 5430],
    ['1:30:00', 5400],
    ['2-0', 172800],
    ['1-12:30', 131400],
    ['1-12:30:15', 131415],
    ['UNLIMITED', null],
  ] as const
  for (const [text, seconds] of cases) t.equal(parseTimeLimit(text), seconds, text)
  for (const text of ['', '0', '1h', '1:2:3:4', '-5', '1.5', '2-'])
    t.throws(() => parseTimeLimit(text), { code: 'CONFIG', message: /hours:minutes:seconds/ })
  t.end()
})

t.test('hosts are names with the ranks they take', t => {
  const hosts = parseHosts('a:2, node-1.example.org,10.0.0.3:16')
  t.same(
    hosts.map(({ slots }) => slots),
    [2, 1, 16],
  )
  t.equal(ranksOf(hosts), 19)
  for (const text of ['', 'a,,b', 'a:0', 'a:x', '-oProxyCommand=id', 'a b'])
    t.throws(() => parseHosts(text), { code: 'CONFIG', message: /node1:2,node2:2/ }, text)
  t.throws(() => parseHosts('a:1,b,a:2'), { message: /a stands twice/ })
  t.end()
})

t.test('a script says which command made it, and is one that bash reads', async t => {
  const dir = folder(t)
  const out = join(dir, "r'un $x")
  const { status, stdout, stderr } = await slurm(
    join(dir, 'run.yaml'),
    '--out',
    out,
    '--time',
    '2:00:00',
    '--nodes',
    '4',
    '--gpus-per-node',
    '8',
    '--partition',
    'gpu',
    '--account',
    'lab',
    '--requeue',
    '--sbatch',
    '--constraint=a100&ib',
  )
  t.equal(status, 0, stderr)
  t.match(
    stdout,
    /^#!\/bin\/bash\n# Written by Saddle \d+\.\d+\.\d+, in .*, by:\n# {3}saddle submit .*--nodes 4/,
  )
  for (const line of [
    '--nodes=4',
    '--ntasks-per-node=1',
    '--gpus-per-node=8',
    '--time=2:00:00',
    '--partition=gpu',
    '--account=lab',
    '--requeue',
    '--signal=B:USR1@120',
    '--open-mode=append',
    '--constraint="a100&ib"',
    `--output="${out}.job/output-%j.txt"`,
  ])
    t.ok(stdout.split('\n').includes(`#SBATCH ${line}`), line)
  t.match(stdout, 'launch=(srun --kill-on-bad-exit=1 --mpi=pmix --ntasks=4 --ntasks-per-node=1)')
  t.match(stdout, 'flags=()', 'a worker for each GPU is what auto takes')
  const script = join(dir, 'job.sh')
  writeFileSync(script, stdout)
  execFileSync('bash', ['-n', script])
  const head = stdout.slice(0, stdout.indexOf('task='))
  t.equal(
    execFileSync('bash', ['-c', `${head}\nprintf %s "\${runs[0]}"`], { encoding: 'utf8' }),
    out,
  )
  t.notOk(existsSync(`${out}.job`), 'a dry run writes nothing')
})

t.test(
  'a script that is told to save tells its ranks until they hear, and asks for a turn',
  async t => {
    // What stands for srun: ranks that hear USR1 for the first or second time, and end with a code then. The summary
    // counts: bash now and then loses the code of a process that ends just as a trap interrupts its waiting.
    const rank = `#!/bin/bash
heard=0
end() { [ "$1" != 75 ] || echo '{ "status": "stopped" }' > "$DIR/out/summary.json"; exit "$1"; }
trap '((++heard == HEARS)) && end $CODE' USR1
trap 'end 75' TERM
touch "$DIR/up"
while :; do sleep 0.1; done
`
    const cases = [
      ['USR1', { HEARS: '2', CODE: '75' }, 'saved; waiting for another turn\nrequeue 7\n'],
      [
        'USR1',
        { HEARS: '1', CODE: '1' },
        'not saved in time; waiting for another turn\nrequeue 7\n',
      ],
      ['USR1', { HEARS: '1', CODE: '2' }, 'ends with 2\n'],
      ['TERM', { HEARS: '1', CODE: '75' }, 'ends with 75\n'],
    ] as const
    for (const [index, [signal, environment, said]] of cases.entries()) {
      const dir = folder(t, {
        [`${index}`]: { srun: rank, scontrol: '#!/bin/sh\necho "$*"\n', out: {} },
      })
      const at = join(dir, `${index}`)
      const { stdout } = await slurm(join(dir, 'run.yaml'), '--requeue', '--out', join(at, 'out'))
      const script = stdout.replace('exit "$code"', 'echo "ends with $code"')
      for (const name of ['srun', 'scontrol']) chmodSync(join(at, name), 0o755)
      const env = { ...process.env, ...environment, DIR: at, SLURM_JOB_ID: '7' }
      const child = spawn('bash', ['-c', script], {
        detached: true,
        env: { ...env, PATH: `${at}:${process.env.PATH}` },
      })
      t.teardown(() => {
        try {
          process.kill(-child.pid!, 'SIGKILL')
        } catch {
          // It has ended.
        }
      })
      let told = ''
      child.stdout.setEncoding('utf8').on('data', text => {
        told += text
      })
      await until(
        () => existsSync(join(at, 'up')),
        60,
        () => told,
      )
      // As Slurm does it: USR1 comes to the script alone, TERM to the ranks too.
      process.kill(signal === 'TERM' ? -child.pid! : child.pid!, `SIG${signal}`)
      await until(
        () => told.endsWith(said),
        60,
        () => told,
      )
      t.equal(told, said)
    }
  },
)

t.test('ranks that saved are not tried again, whatever their launcher says', async t => {
  const rank = `#!/bin/bash
echo "$*" >> "$DIR/tries"
[ -e "$DIR/fails" ] && rm "$DIR/fails" && exit 1
echo '{ "status": "stopped" }' > "$DIR/out/summary.json"
exit 143
`
  // A summary of an earlier turn says nothing of this one, which fails once.
  const dir = folder(t, {
    srun: rank,
    fails: '',
    out: { 'summary.json': '{ "status": "stopped" }\n' },
  })
  chmodSync(join(dir, 'srun'), 0o755)
  const flags = ['--out', join(dir, 'out'), '--backoff', '1']
  const { stdout } = await slurm(join(dir, 'run.yaml'), ...flags)
  const env = { ...process.env, DIR: dir, SLURM_JOB_ID: '7', PATH: `${dir}:${process.env.PATH}` }
  const { status, stderr } = spawnSync('bash', ['-c', stdout], { env, encoding: 'utf8' })
  t.equal(status, 75, stderr)
  t.equal(stderr, 'failed with 1; try 1 of 3 in 1 s\n')
  t.equal(readFileSync(join(dir, 'tries'), 'utf8').trim().split('\n').length, 2)
})

t.test('ranks share what a node has', async t => {
  const dir = folder(t)
  const file = join(dir, 'run.yaml')
  const shared = await slurm(file, '--ranks-per-node', '4', '--gpus-per-node', '8', '--cpus', '6')
  t.match(
    shared.stdout,
    '--mpi=pmix --ntasks=4 --ntasks-per-node=4 --cpus-per-task=6 --gpus-per-task=2)',
  )
  t.match(
    (await slurm(file)).stdout,
    /--mpi=none --ntasks=1 .*\nflags=\(--workers \$\(\(SLURM_CPUS_ON_NODE \/ 1\)\)\)/,
  )
  t.match((await slurm(file, '--cpus', '6')).stdout, 'flags=(--workers 6)')
  t.match(
    (await slurm(file, '--nodes', '2', '--ranks-per-node', '4', '--mpi', 'mpirun')).stdout,
    /launch=\("\$\(command -v mpirun\.openmpi .*\)" .*--bind-to none .* -x SADDLE_JOB --map-by ppr:4:node -n 8\)/,
  )
  t.match(
    (await slurm(file, '--workers', '3')).stdout,
    /--cpus-per-task=3\)\nflags=\(--workers 3\)/,
  )
  t.match((await slurm(file, '--devices', 'cpu,cpu')).stdout, 'flags=()')
  const short = await slurm(file, '--time', '4')
  t.match(short.stdout, '--signal=B:USR1@60', 'a quarter of a short limit')
})

t.test('a sweep is an array of the cells that are not done', async t => {
  const dir = folder(t)
  const sweep = join(dir, 'sweep.yaml')
  const out = join(dir, 'out')
  t.match((await slurm(sweep, '--out', out)).stdout, '#SBATCH --array=0-5\n')
  for (const cell of ['width=64,seed=1', 'width=128,seed=2']) {
    mkdirSync(join(out, cell), { recursive: true })
    writeFileSync(join(out, cell, 'summary.json'), JSON.stringify(summary()))
  }
  const { stdout } = await slurm(sweep, '--out', out, '--parallel', '2')
  t.match(stdout, '#SBATCH --array=0,2-4%2\n')
  t.match(stdout, `configs=(\n  ${out}.job/cells/width=64,seed=0.yaml\n`)
  t.match(stdout, 'output-%A_%a.txt')
  t.match(await slurm(sweep, '--out', out, '--set', 'sweep={seed: [0]}'), { status: 0 })
})

t.test('what does not fit is refused with 2, and nothing is written', async t => {
  const dir = folder(t, {
    'unknown.sh': '#!/bin/bash\n{{directives}}\n{{rnus}}\n',
    other: { 'config.yaml': `${run}seed: 7\n` },
  })
  const file = join(dir, 'run.yaml')
  const cases = [
    [['--time', '1h'], /Time limit "1h": expected minutes/],
    [['--time', '2', '--save-before', '120'], /--save-before 120: expected less/],
    [['--ranks-per-node', '3', '--gpus-per-node', '8'], /3 ranks a node cannot share 8 GPUs/],
    [['--template', join(dir, 'unknown.sh')], /no place \{\{rnus\}\}.*\{\{runs\}\}/],
    [['--template', join(dir, 'none.sh')], /none\.sh cannot be read.*Start from a copy of/],
    [['--sbatch', '-C a100'], /long form/],
    [['--nodes', '0'], /number above 0/],
    [['--out', join(dir, 'other')], /other holds a run of another configuration/],
    [['--out', 'a\\b'], /backslash/],
    [['--set', 'sweep={sede: [1]}'], /sweep\.sede/],
  ] as const
  for (const [flags, message] of cases) {
    const { status, stdout, stderr } = await slurm(file, ...flags)
    t.equal(status, 2, flags.join(' '))
    t.match(stderr, message)
    t.equal(stdout, '')
  }
  const like = (...settings: string[]) =>
    slurm(file, '--out', join(dir, 'other'), ...['seed=7', ...settings].map(s => `--set=${s}`))
  for (const setting of ['compute.workers=3', 'compute.grace=1', 'compute.verify=5'])
    t.equal((await like(setting)).status, 0, `a run of other ${setting} is gone on with`)
  for (const setting of [
    'compute.gradients=dense',
    'compute.sums=fewest',
    'compute.precision=bf16',
    'compute.update=device',
    'compute.split=neurons',
    'compute.shard=64',
    'compute.window=1000000',
    'compute.backend=cpu',
    'compute.devices=[cpu, cpu]',
    'evaluation.baseline=true',
  ])
    t.match(await like(setting), { status: 2, stderr: /a run of another configuration/ }, setting)
  t.match(await saddle('submit', file), { status: 2, stderr: /required option '--scheduler/ })
})

t.test('without Slurm it says so before anything is written', async t => {
  const dir = folder(t)
  const path = process.env.PATH
  process.env.PATH = dir
  t.teardown(() => {
    process.env.PATH = path
  })
  const out = join(dir, 'out')
  const { status, stderr } = await saddle(
    'submit',
    join(dir, 'run.yaml'),
    '--scheduler',
    'slurm',
    '--out',
    out,
  )
  t.equal(status, 2)
  t.match(stderr, /sbatch is not on PATH.*--dry-run/)
  t.notOk(existsSync(`${out}.job`))
  t.match((await saddle('jobs')).stdout, /No jobs/)
})

t.test("a site's or a user's template takes the place of Saddle's own", async t => {
  const dir = folder(t, {
    site: { 'slurm.sh': 'site {{ranks}}\n' },
    config: { saddle: { templates: { 'slurm.sh': 'user {{nodes}} {{ requeue }}\n' } } },
    'mine.sh': 'mine {{name}}\n',
  })
  const file = join(dir, 'run.yaml')
  t.equal((await slurm(file, '--nodes', '3')).stdout, 'user 3 0\n')
  process.env.SADDLE_TEMPLATES = join(dir, 'site')
  t.equal((await slurm(file, '--nodes', '3', '--ranks-per-node', '2')).stdout, 'site 6\n')
  t.equal((await slurm(file, '--template', join(dir, 'mine.sh'))).stdout, 'mine run\n')
  const filled = fillTemplate({ text: '{{a}} $b {{a}}', origin: 'x' }, { a: '$&{{b}}' })
  t.equal(filled, '$&{{b}} $b $&{{b}}', 'values are taken as they are')
})

t.test('watch and cancel say what they did not find', async t => {
  const dir = folder(t)
  t.match(await saddle('watch', '123456'), {
    status: 2,
    stderr: /no job that was submitted.*saddle jobs/,
  })
  t.match(await saddle('watch', dir), { status: 2, stderr: /no run folder/ })
  t.match(await saddle('cancel', dir), { status: 2, stderr: /no run folder/ })
  t.match(await saddle('jobs', '--forget', '1'), { status: 2, stderr: /no job/ })
})

t.test('watch reads metrics as they come, and says what became of a run', async t => {
  const { records } = await import('../fixtures/runs.js')
  const dir = folder(t, { run: { 'config.yaml': `${run.replace('steps: 3', 'steps: 40')}` } })
  const { RunFollower } = await import('../../dist/cluster/run-state.js')
  const at = join(dir, 'run')
  const follower = new RunFollower(at)
  t.match(await follower.look(), { phase: 'ended', progress: { done: 0, steps: 40 } })
  const lines = records().map(record => `${JSON.stringify(record)}\n`)
  writeFileSync(join(at, 'metrics.jsonl'), lines.slice(0, 5).join('') + lines[5]!.slice(0, 20))
  t.match(
    (await follower.look()).progress,
    { done: 5, loss: 0.5 * 0.9 ** 4 },
    'a torn line is not yet one',
  )
  writeFileSync(join(at, 'metrics.jsonl'), lines.slice(0, 30).join(''))
  t.match((await follower.look()).progress, { done: 30, secondsLeft: 2.5 })
  writeFileSync(join(at, 'metrics.jsonl'), lines.slice(0, 8).join(''))
  t.equal((await follower.look()).progress.done, 8, 'a resumed run has cut its metrics')
  writeFileSync(join(at, 'lock'), JSON.stringify({ pid: process.pid, host: 'elsewhere' }))
  t.match(await follower.look(), { phase: 'running', holder: { host: 'elsewhere' } })
  t.match(
    (await saddle('watch', at, '--once')).stdout,
    /^pgd-10 {2}running {2}step 8\/40 {2}loss 0\.2\d+/,
  )
  const news = (ago: number) => {
    const then = Date.now() / 1000 - ago
    for (const name of ['lock', 'metrics.jsonl']) utimesSync(join(at, name), then, then)
  }
  news(60)
  t.match(await follower.look(), { phase: 'running', silence: null })
  news(500)
  t.match(
    (await saddle('watch', at, '--once')).stdout,
    /^pgd-10 {2}no news from elsewhere for 50\d s {2}step 8\/40 {2}loss 0\.2\d+ (?!.* left)/,
  )
  writeFileSync(join(at, 'lock'), '')
  t.match(await saddle('watch', at, '--interval', '0.01'), {
    status: 75,
    stderr: /ended; nothing is at work on it/,
  })
  writeFileSync(join(at, 'summary.json'), JSON.stringify(summary()))
  const done = await saddle('watch', at)
  t.equal(done.status, 0)
  t.match(
    done.stdout,
    /^pgd-10 {2}done {2}step 40\/40 {2}training loss 0\.2013 {2}robust accuracy 68\.4 % {2}on test 54\.5 %\n$/,
  )
  t.match(readFileSync(join(at, 'config.yaml'), 'utf8'), 'steps: 40', 'watching changes nothing')
})
