import { fileURLToPath } from 'node:url'
import t from 'tap'
import { haveEnded, launchers, linesOf } from '../fixtures/launchers.js'
import { bringUp, hostsMissing, onHosts } from './hosts.js'

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

t.test('a rank that is killed ends the ranks of the other host', { skip }, async t => {
  using hosts = bringUp()
  const job = hosts.startRanks(launchers.openmpi, 1, [program, 'work'])
  await job.printed(/up.*\n.*up/)
  const [victim] = hosts.processes(1, ' work')
  process.kill(victim!, 'SIGKILL')
  const { code, stderr } = await job.ended()
  t.equal(code, 137)
  t.match(stderr, /signal 9/)
  const left = () => [0, 1].flatMap(host => hosts.processes(host, ''))
  t.ok(await haveEnded(left), 'nothing is left')
})

t.test('a cable that is cut ends the job on both sides', { skip }, async t => {
  using hosts = bringUp()
  const job = hosts.startRanks(launchers.openmpi, 1, [program, 'work'])
  await job.printed(/up.*\n.*up/)
  hosts.cut()
  // Left alone, both would wait for each other.
  const { code, signal } = await job.ended()
  t.notOk(code === 0 || signal !== null, `exit code ${code}`)
  const ranks = () => [0, 1].flatMap(host => hosts.processes(host, ' work'))
  t.ok(await haveEnded(ranks), 'no rank is left')
})
