import { isMainThread } from 'node:worker_threads'
import { SaddleError } from '@saddle/core'
import { abis, type MpiFamily } from './abi.js'
import type { Collective, CollectiveKind } from './collective.js'
import { type Launch, launchedBy } from './launcher.js'
import { type MpiLibrary, openMpi } from './library.js'
import { MpiCollective, type Place } from './mpi.js'
import { SoloCollective } from './solo.js'

/** MPI_THREAD_SERIALIZED: calls from any thread, one at a time. */
const SERIALIZED = 2

interface CollectiveOptions {
  /** Numbers of one native call at most; the same on all ranks. Lowered by tests only. */
  readonly mostAtOnce?: number
}

/** MPI can be set up once in the life of a process. */
let joined: { readonly family: MpiFamily; readonly collective: Promise<MpiCollective> } | undefined

/**
 * This process's place among the ranks of its job.
 *
 * `auto`: the library of the launcher that started this process, by the variables in its environment; without one
 * `solo`, a job of this process alone. A library that is asked for without a launcher makes a job of one rank.
 * Opening again gives the same.
 *
 * @throws SaddleError COLLECTIVE if the library isn't there, if the ranks that it joined up are not as many as the
 * launcher started (a rank started by the other library's launcher comes up alone, and would do the whole work by
 * itself), or in a worker thread.
 */
export async function openCollective(
  kind: 'auto' | CollectiveKind = 'auto',
  options: CollectiveOptions = {},
): Promise<Collective> {
  const launch = launchedBy(process.env)
  const chosen = kind === 'auto' ? choose(launch) : kind
  if (chosen === 'solo') {
    if (launch?.size != null && launch.size > 1) throw notJoined(launch)
    return new SoloCollective()
  }
  if (!isMainThread)
    throw new SaddleError(
      'COLLECTIVE',
      'A collective can be opened by the main thread of a process only: it is the process that is a rank.',
    )
  joined ??= { family: chosen, collective: joinUp(chosen, launch, options) }
  if (joined.family !== chosen)
    throw new SaddleError(
      'COLLECTIVE',
      `This process has joined a job by ${abis[joined.family].title}, and can't join another by ${abis[chosen].title}.`,
      { joined: joined.family, asked: chosen },
    )
  return joined.collective
}

function choose(launch: Launch | null): CollectiveKind {
  if (launch === null) return 'solo'
  if (launch.library !== null) return launch.library
  if (launch.size === null || launch.size === 1) return 'solo'
  throw notJoined(launch)
}

function notJoined({ launcher, size, library }: Launch): SaddleError {
  return new SaddleError(
    'COLLECTIVE',
    `${launcher} started ${size} processes, but ` +
      (library === null
        ? 'nothing that joins them up: use srun --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH.'
        : `a job of one process was asked for. Start one, or use the collective ${library}.`),
    { launcher, size },
  )
}

async function joinUp(
  family: MpiFamily,
  launch: Launch | null,
  { mostAtOnce }: CollectiveOptions,
): Promise<MpiCollective> {
  const mpi = await openMpi(family)
  return new MpiCollective(mpi, takePlace(mpi, launch), mostAtOnce)
}

/** MPI_Init, and who this process is among those that called it. */
function takePlace(mpi: MpiLibrary, launch: Launch | null): Place {
  const { abi, version } = mpi
  const number = [0]
  const ask = (name: 'MPI_Comm_rank' | 'MPI_Comm_size', communicator: unknown): number => {
    mpi.call(name, communicator, number)
    return number[0]!
  }
  mpi.call('MPI_Init_thread', null, null, SERIALIZED, number)
  const provided = number[0]!
  mpi.call('MPI_Comm_set_errhandler', abi.world, abi.errorsReturn)
  const rank = ask('MPI_Comm_rank', abi.world)
  const size = ask('MPI_Comm_size', abi.world)
  const refuse = (message: string, fields: Record<string, unknown>): never => {
    mpi.call('MPI_Finalize')
    throw new SaddleError('COLLECTIVE', message, { version, rank, size, ...fields })
  }
  if (provided < SERIALIZED)
    refuse(`${version} was built without support for threads (it grants level ${provided} of 2).`, {
      provided,
    })
  const expected = launch === null ? 1 : (launch.size ?? size)
  if (size !== expected || (launch?.rank ?? rank) !== rank)
    refuse(
      `${version} takes this process for rank ${rank} of ${size}, but ${launch?.launcher ?? 'no launcher'} started it as ` +
        `rank ${launch?.rank ?? 0} of ${expected}: launcher and library don't belong together. ` +
        `Ranks of ${abis[mpi.family].title} are started by ${abis[mpi.family].launchers}.`,
      { launcher: launch?.launcher, expected },
    )
  const node = [abi.noCommunicator]
  mpi.call('MPI_Comm_split_type', abi.world, abi.shared, 0, abi.noInfo, node)
  const localRank = ask('MPI_Comm_rank', node[0]!)
  mpi.call('MPI_Comm_free', node)
  return { rank, size, localRank }
}
