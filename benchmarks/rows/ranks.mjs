import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder } from '../contestants/folder.mjs'
import { median } from '../measure.mjs'

/**
 * One network on several ranks of Open MPI on this machine, over TCP, with one worker each.
 *
 *   bytes     what really goes over the loopback device of a network namespace of the job's own, by the kernel's
 *             counter, against the formula; the difference between a long and a short run, so that the start drops out
 *   steps     seconds a step by the number of ranks, and the share of them spent waiting for other ranks
 *   crossing  H = 2 by width with n examples: gathered factors against all-reduced dense gradients
 */
export const RANK_CASES = { bytes: bytesRow, steps: stepsRow, crossing: crossingRow }

const MPIRUN = 'mpirun.openmpi'
const UNSHARE = 'unshare'
const OPTIONS = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none']
const TCP = ['--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', 'lo', '--mca', 'pml', 'ob1']

const program = fileURLToPath(new URL('../contestants/ranks.mjs', import.meta.url))

/** n examples in shards of `shard`, on a network of H = 2. */
function configOf(backend, { width, examples, shard, steps, attackSteps = 1, ...compute }) {
  return {
    data: {
      source: { kind: 'clusters', dimension: 10, clusters: 4, separation: 0.7, spread: 0.1 },
      count: examples,
      sphere: { kind: 'bias', value: 0.5 },
    },
    network: { family: 'deep', width, depth: 2, init: 'subtract' },
    perturbation: { kind: 'cap', radius: 0.05 },
    attack: { kind: 'pgd', steps: attackSteps, start: 'clean' },
    descent: { steps, stepSize: 'theory' },
    evaluation: { attack: { kind: 'identity' } },
    checkpoints: { every: 10_000 },
    compute: { backend, shard, verify: 10_000, ...compute },
  }
}

/** What rank 0 found, and the bytes that went over lo in a namespace of its own; null without the right to make one. */
async function onRanks(count, jobs, isolated = false) {
  const folder = temporaryFolder()
  try {
    const args = [...OPTIONS, ...TCP, '-n', `${count}`, process.execPath, program]
    const rest = [folder.path, JSON.stringify(jobs.map(config => ({ config, workers: 1 })))]
    const script = 'ip link set lo up; "$@"; code=$?; grep lo: /proc/net/dev >&2; exit $code'
    const [command, all] = isolated
      ? [UNSHARE, ['--net', 'sh', '-c', script, 'sh', MPIRUN, ...args, ...rest]]
      : [MPIRUN, [...args, ...rest]]
    const { stdout, stderr } = await promisify(execFile)(command, all, { maxBuffer: 1 << 26 })
    const counted = /lo:\s*(\d+)/.exec(stderr)
    return { found: JSON.parse(stdout), overLo: counted === null ? null : Number(counted[1]) }
  } finally {
    folder.remove()
  }
}

function missing() {
  return spawnSync(MPIRUN, ['--version']).status === 0 ? null : `${MPIRUN} is not installed`
}

/** Bytes that all ranks send a step: by the formula, by our count, and by the kernel's. */
async function bytesRow(_, { backend, quick }) {
  const reason =
    missing() ??
    (spawnSync(UNSHARE, ['--net', 'true']).status === 0
      ? null
      : 'no right to make a network namespace')
  if (reason !== null) return { network: 'bytes', missing: reason }
  const steps = quick ? [2, 6] : [3, 23]
  const cases = [
    { label: 'factors', width: 512, examples: 64, shard: 16, gradients: 'factors' },
    { label: 'ordered', width: 512, examples: 64, shard: 16, gradients: 'dense' },
    { label: 'reduced', width: 512, examples: 96, shard: 8, gradients: 'dense', sums: 'fewest' },
  ]
  const points = []
  for (const ranks of quick ? [2] : [2, 3])
    for (const { label, ...size } of cases) {
      const runs = []
      for (const count of steps)
        runs.push(await onRanks(ranks, [configOf(backend, { ...size, steps: count })], true))
      const [short, long] = runs
      const [{ travels, steps: log }] = long.found
      const more = steps[1] - steps[0]
      const counted = (log.at(-1).bytes - log[0].bytes) / (log.length - 1)
      points.push({
        label,
        ranks,
        formula: ranks * travels.reduce((sum, { bytes }) => sum + bytes, 0),
        counted: ranks * counted,
        kernel: (long.overLo - short.overLo) / more,
      })
    }
  return { network: 'bytes', points }
}

/** Seconds a step by ranks, of rounds in turn; equal weights or an error. */
async function stepsRow(_, { backend, quick, rounds }) {
  const reason = missing()
  if (reason !== null) return { network: 'steps', missing: reason }
  const size = quick
    ? { width: 128, examples: 32, shard: 8, attackSteps: 2 }
    : { width: 1024, examples: 128, shard: 32, attackSteps: 5 }
  const config = configOf(backend, { ...size, steps: quick ? 3 : 7 })
  const found = {}
  for (let round = 0; round < rounds; round++)
    for (const ranks of [1, 2]) {
      const [job] = (await onRanks(ranks, [config])).found
      found[ranks] ??= []
      found[ranks].push(job)
    }
  const weights = new Set(Object.values(found).flatMap(jobs => jobs.map(job => job.weights)))
  if (weights.size > 1) throw new Error('the weights differ')
  const points = Object.entries(found).map(([ranks, jobs]) => {
    // The first step is left out: programs warm up in it.
    const seconds = jobs.flatMap(job => job.plain.slice(1))
    const waits = jobs.flatMap(job =>
      job.steps.slice(1).map(step => Math.min(...step.wait) / step.seconds),
    )
    return {
      ranks: Number(ranks),
      seconds: median(seconds),
      waiting: waits.length === 0 ? 0 : median(waits),
      rounds: jobs.map(job => median(job.plain.slice(1))),
    }
  })
  return { network: 'steps', size, points }
}

/** Communication of a step by width, on two ranks: what a rank sends, and what it waits. */
async function crossingRow(_, { backend, quick, rounds }) {
  const reason = missing()
  if (reason !== null) return { network: 'crossing', missing: reason }
  const examples = 128
  const widths = quick ? [64, 256] : [32, 64, 128, 256, 512, 1024]
  const forms = { factors: { gradients: 'factors' }, dense: { gradients: 'dense', sums: 'fewest' } }
  const points = widths.map(width => ({ width, factors: [], dense: [] }))
  for (let round = 0; round < Math.min(rounds, 3); round++)
    for (const [form, compute] of Object.entries(forms)) {
      const jobs = widths.map(width =>
        configOf(backend, { width, examples, shard: 32, steps: 6, ...compute }),
      )
      const { found } = await onRanks(2, jobs)
      found.forEach(({ travels, steps }, i) => {
        const { bytes } = travels.find(({ matrix }) => matrix === 'layers.2')
        const later = steps.slice(1)
        points[i][form].push({ bytes, wait: median(later.map(s => Math.min(...s.wait))) })
      })
    }
  return {
    network: 'crossing',
    examples,
    points: points.map(({ width, ...both }) => ({
      width,
      ...Object.fromEntries(
        Object.entries(both).map(([form, runs]) => [
          form,
          {
            bytes: runs[0].bytes,
            wait: median(runs.map(r => r.wait)),
            waits: runs.map(r => r.wait),
          },
        ]),
      ),
    })),
  }
}

export function ranksRow(name, measure, options) {
  return measure(name, options)
}
