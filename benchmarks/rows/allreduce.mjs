import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder } from '../contestants/folder.mjs'
import { interleaveRounds } from '../contestants/rounds.mjs'
import { median } from '../measure.mjs'

const KIB = 1024
const SIZES = [1, 16, 256, 1024, 4 * 1024, 16 * 1024, 64 * 1024].map(k => k * KIB)
const QUICK_SIZES = [1, 256].map(k => k * KIB)
const RANKS = 2

/** Debian's names of the two libraries' tools; two ranks to a core take turns. */
export const ALLREDUCE_CASES = {
  openmpi: ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none'],
  mpich: [],
}

/**
 * Sums over two ranks on this machine, through `Collective.allreduceSum` and by a C program, compiled here, that calls
 * the same library. Jobs of both take turns; each answers its medians by size, of which the median over rounds is
 * taken. Ratio: seconds of C over ours, so that 1 means that nothing is lost.
 */
export async function allreduceRow(kind, options, settings) {
  const [mpicc, mpirun] = [`mpicc.${kind}`, `mpirun.${kind}`]
  const absent = [mpicc, mpirun].find(tool => spawnSync(tool, ['--version']).status !== 0)
  if (absent !== undefined) return { network: kind, missing: `${absent} is not installed` }
  const folder = temporaryFolder()
  try {
    const peer = `${folder.path}/allreduce`
    const source = fileURLToPath(new URL('../peers/allreduce.c', import.meta.url))
    await promisify(execFile)(mpicc, ['-O2', '-o', peer, source])
    const own = fileURLToPath(new URL('../contestants/allreduce.mjs', import.meta.url))
    const sizes = settings.quick ? QUICK_SIZES : SIZES
    const job = program => async () => {
      const args = [...options, '-n', `${RANKS}`, ...program, ...sizes.map(String)]
      const { stdout } = await promisify(execFile)(mpirun, args)
      return { medians: JSON.parse(stdout) }
    }
    const found = await interleaveRounds(
      { saddle: job([process.execPath, own]), c: job([peer]) },
      settings,
    )
    const failed = found.saddle.missing ?? found.c.missing
    if (failed !== undefined) throw new Error(failed)
    return { network: kind, ranks: RANKS, sizes: sizes.map((bytes, i) => atSize(bytes, i, found)) }
  } finally {
    folder.remove()
  }
}

/** Medians over the measured rounds; algorithm bandwidth: bytes of the array over the time. */
function atSize(bytes, i, { saddle, c }) {
  const [own, peer] = [saddle, c].map(({ answers }) => answers.slice(1).map(a => a.medians[i]))
  const seconds = median(own)
  const ratios = own.map((s, round) => peer[round] / s)
  return {
    bytes,
    seconds,
    peerSeconds: median(peer),
    bytesPerSecond: bytes / seconds,
    ratio: median(ratios),
    rounds: { saddle: own, c: peer },
  }
}
