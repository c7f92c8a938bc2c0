import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ConfigInput, train } from '@saddle/distributed'
import t, { type Test } from 'tap'
import { deep } from '../fixtures/configs.js'
import { type Ended, haveEnded, launchers, linesOf, type Started } from '../fixtures/launchers.js'
import { metrics } from '../fixtures/lines.js'
import { bringUp, type Hosts, hostsMissing, onHosts } from './hosts.js'

const program = fileURLToPath(new URL('../fixtures/collective.mjs', import.meta.url))

for (const { launcher, skip } of onHosts)
  t.test(`${launcher.kind}: two hosts, all of the table over the network`, { skip }, async t => {
    using hosts = bringUp()
    const before = hosts.sentBytes()
    const { code, stdout, stderr } = await hosts
      .startRanks(launcher, 1, [program, 'suite,order'])
      .ended()
    t.equal(code, 0, stderr)
    const reports = linesOf<Record<string, unknown>>(stdout).sort(
      (a, b) => Number(a.rank) - Number(b.rank),
    )
    t.same(
      reports.map(r => [r.kind, r.rank, r.size, r.localRank, r.host]),
      hosts.names.map((name, rank) => [launcher.kind, rank, 2, 0, name]),
    )
    for (const { results } of reports)
      t.match(results, [{ failures: [] }, { failures: [], ticked: true }])
    // The arrays of 3001 numbers alone: 4 classes of 21 bytes, 3 places, sent at least once from either side.
    t.ok(hosts.sentBytes() - before > 3 * 21 * 3001, `${hosts.sentBytes() - before} bytes sent`)
  })

const skip = hostsMissing || launchers.openmpi.missing

const trainer = fileURLToPath(new URL('../fixtures/ranks-hold.mjs', import.meta.url))

/** Checkpoints after steps 3 and 6; rank 1 stands still in step 7, while rank 0 waits for it. */
const config: ConfigInput = {
  ...deep,
  network: { family: 'deep', width: 64, depth: 2, init: 'subtract' },
  attack: { kind: 'pgd', steps: 1 },
  descent: { steps: 10, stepSize: 'theory', radius: 0.5 },
  evaluation: { attack: { kind: 'fgsm' } },
  checkpoints: { every: 3 },
}

/** How a run is disturbed when rank 1 stands still; resolves when the job has come to its end, and nothing of it is left. */
const DISTURBANCES: Record<string, (t: Test, hosts: Hosts, job: Started) => Promise<Ended>> = {
  'a rank that is killed': async (t, hosts, job) => {
    const [victim] = hosts.processes(1, 'ranks-hold')
    process.kill(victim!, 'SIGKILL')
    const ended = await job.ended()
    t.equal(ended.code, 137)
    t.match(ended.stderr, /signal 9/)
    const left = () => [0, 1].flatMap(host => hosts.processes(host, ''))
    t.ok(await haveEnded(left), 'nothing is left on either host')
    return ended
  },
  'a cable that is cut': async (t, hosts, job) => {
    hosts.cut()
    // Left alone, both would wait for each other.
    const ended = await job.ended()
    const left = () => [0, 1].flatMap(host => hosts.processes(host, 'ranks-hold'))
    t.ok(await haveEnded(left), 'no rank is left on either side')
    hosts.mend()
    return ended
  },
}

t.test('training on two hosts', { skip }, async t => {
  const folder = t.testdir({ 'config.json': JSON.stringify(config) })
  const { weights } = await train(config, { out: `${folder}/alone`, workers: 1 })
  const same = (t: Test, dir: string, { code, stdout, stderr }: Ended) => {
    t.equal(code, 0, stderr)
    t.same(
      linesOf(stdout),
      [0, 1].map(() => ({ weights })),
      'the weights of one process',
    )
    t.same(metrics(dir), metrics(`${folder}/alone`), 'no step is missing or doubled')
  }
  await t.test('undisturbed gives the bits of one process', async t => {
    using hosts = bringUp()
    const dir = `${folder}/clean`
    same(t, dir, await hosts.startRanks(launchers.openmpi, 1, [trainer, dir]).ended())
  })
  for (const [name, disturb] of Object.entries(DISTURBANCES))
    await t.test(`goes on from its checkpoint after ${name}, to the same bits`, async t => {
      using hosts = bringUp()
      const dir = `${folder}/${name.replaceAll(' ', '-')}`
      writeFileSync(`${folder}/hold`, '')
      const job = hosts.startRanks(launchers.openmpi, 1, [trainer, dir])
      await job.printed(/holds/)
      const { code, signal, stderr } = await disturb(t, hosts, job)
      t.notOk(code === 0 || signal !== null, `exit code ${code}: ${stderr}`)
      const again = await hosts.startRanks(launchers.openmpi, 1, [trainer, dir]).ended()
      same(t, dir, again)
      t.match(readFileSync(`${dir}/log.jsonl`, 'utf8'), /"fromStep":6/)
    })
})
