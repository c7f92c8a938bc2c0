import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main } from '@saddle/cli'
import { parseConfig, type RunSummary, readMetrics, train } from '@saddle/distributed'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { launchers } from '../../../distributed/test/fixtures/launchers.js'
import { paper } from '../fixtures/runs.js'
import { until } from '../fixtures/slurm.js'
import { BAD_HOSTS, bringUpSsh, type SshHosts, sshMissing } from '../fixtures/ssh.js'

const bin = fileURLToPath(new URL('../../bin/saddle.js', import.meta.url))
const skip = sshMissing || launchers.openmpi.missing

/** Seconds that anything may take on a machine that is very busy. */
const PATIENCE = 240

const run = `
name: ssh
data: { source: { kind: clusters, dimension: 8, separation: 0.8, spread: 0.1 }, count: 64 }
network: { width: 32 }
perturbation: { kind: cap, radius: 0.1 }
attack: { kind: pgd, steps: 2 }
descent: { steps: 300, stepSize: 1, radius: 1 }
evaluation: { attack: { kind: fgsm } }
checkpoints: { every: 10 }
compute: { backend: wasm, workers: 1, shard: 16, grace: 1 }
`

/** The command as a line of shell; its words hold nothing that a shell would change. */
function command(dir: string, hosts: SshHosts, words: string): string {
  return `XDG_STATE_HOME=${dir}/state '${process.execPath}' '${bin}' ${words.replace('SSH', `--ssh '${hosts.ssh}' --backoff 1`)}`
}

async function watched(out: string): Promise<string> {
  const terminal = paper()
  await main(['watch', out, '--once'], terminal)
  return terminal.texts.out
}

function summaryOf(out: string): RunSummary {
  return JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
}

function checkRun(t: Test, out: string, expected: RunSummary, ranks: number) {
  t.match(summaryOf(out), { status: 'done', stepsDone: 300, weights: expected.weights, ranks })
  t.same(
    readMetrics(out).map(({ step }) => step),
    Array.from({ length: 300 }, (_, step) => step),
    'no step is lost or done twice',
  )
}

t.test('machines over ssh', { skip }, async t => {
  const dir: string = t.testdir({ 'run.yaml': run })
  const file = join(dir, 'run.yaml')
  const expected = await train(parseConfig(parse(run)), { out: join(dir, 'undisturbed') })

  using hosts = await bringUpSsh(dir)

  await t.test('hosts that cannot take part are named, each with its reason', async t => {
    const names = [hosts.there, ...Object.values(BAD_HOSTS), 'nowhere.invalid'].join(',')
    const { code, stderr } = await hosts
      .start(command(dir, hosts, `run-hosts ${file} --hosts ${names} --out ${dir}/refused SSH`))
      .ended()
    t.equal(code, 2)
    for (const reason of [
      /old: it has Saddle 0\.0\.1, and this host \d/,
      /bare: it has no Saddle at .*saddle\.js: Node and Saddle must lie/,
      /apart: it does not see .*config\.yaml: the hosts must share/,
      /stranger: .*Permission denied \(publickey\)/,
      /impostor: .*Host key verification failed/,
      /silent: .*Connection refused/,
      /gone: .*(No route to host|timed out)/,
      /nowhere\.invalid: .*Could not resolve hostname/,
    ])
      t.match(stderr, reason)
    t.notMatch(stderr, new RegExp(`(; |error: )${hosts.there}:`), 'the one that is as it should be')
    t.match(stderr, /Nothing was started/)
    t.notOk(existsSync(join(dir, 'refused')))
  })

  await t.test('a job in the background is seen, and saves when it is cancelled', async t => {
    const out = join(dir, 'job')
    const both = `${hosts.here},${hosts.there}`
    const saddle = (words: string) => command(dir, hosts, words)
    const submit = `submit ${file} --scheduler mpirun --hosts ${both} --out ${out} --set descent.steps=100000 SSH`
    const { code, stdout, stderr } = await hosts
      .start(
        `${saddle(submit)} || exit 10
until [ "$(wc -l < ${out}/metrics.jsonl)" -ge 2 ]; do sleep 0.1; done 2> /dev/null
${saddle(submit)}
echo "second: $?"
${saddle('jobs')}
${saddle(`cancel ${out}`)} || exit 11
${saddle(`watch ${out} --interval 0.2`)}
echo "watched: $?"
`,
      )
      .ended()
    t.equal(code, 0, stdout + stderr)
    t.match(stderr, /Job \d+ is at work on .* already\. Wait for it, or end it/)
    t.match(stdout, /second: 2\n/)
    t.match(stdout, /\d+ +running +\d+\/100000/)
    t.match(stdout, /is told to save and end/)
    t.match(stderr, /stopped; nothing is at work/)
    t.match(stdout, /watched: 75\n/)
    const output = readFileSync(join(`${out}.job`, 'output.txt'), 'utf8')
    t.match(output, /stopped on request after \d+ of 100000 steps; a checkpoint is saved/)
    const { stepsDone, ranks } = summaryOf(out)
    t.equal(ranks, 2)
    t.ok(existsSync(join(out, 'checkpoints', `step-${String(stepsDone).padStart(6, '0')}`)))
  })

  await t.test('a host is killed, and the job ends on the other as if undisturbed', async t => {
    const out = join(dir, 'lost')
    const both = `${hosts.here},${hosts.there}`
    const job = hosts.start(
      command(dir, hosts, `run-hosts ${file} --hosts ${both} --out ${out} SSH`),
    )
    const ended = job.ended()
    let over = false
    void ended.finally(() => {
      over = true
    })
    await until(
      () => over || (existsSync(out) && readMetrics(out).length >= 7),
      PATIENCE,
      () => 'no step was made',
    )
    t.match(
      await watched(out),
      /^pgd-2 {2}running .*\n {2}rank 0 {2}.* ago\n {2}rank 1 {2}.* ago\n/,
    )
    hosts.killThere()
    const { code, stderr } = await ended
    t.equal(code, 0, stderr)
    t.match(
      stderr,
      new RegExp(
        `starting on ${hosts.here}:1, ${hosts.there}:1\n[^]*` +
          `going on without ${hosts.there}: ssh: connect to host ${hosts.there} port \\d+: Connection refused\n` +
          `starting on ${hosts.here}:1\n`,
      ),
    )
    checkRun(t, out, expected, 1)
  })
})
