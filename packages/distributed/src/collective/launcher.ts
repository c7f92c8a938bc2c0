import type { CollectiveKind } from './collective.js'

/** What a launcher says of the job in a rank's environment. */
export interface Launch {
  /** Its name, for people: "mpirun.openmpi". */
  readonly launcher: string
  /** The library whose ranks it can join up, or null if it joins up none. */
  readonly library: Exclude<CollectiveKind, 'solo'> | null
  /** Null where it doesn't say. */
  readonly size: number | null
  readonly rank: number | null
}

/**
 * Who launched this process, by the variables it left; null if nobody did.
 *
 * Open MPI's mpirun sets OMPI_*, MPICH's PMI_*, and so does srun --mpi=pmi2; srun --mpi=pmix sets PMIX_*. Both mpiruns
 * start their daemons through srun inside a Slurm job, so SLURM_* is looked at last.
 */
export function launchedBy(environment: NodeJS.ProcessEnv): Launch | null {
  const number = (name: string): number | null => {
    const value = environment[name]
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : null
  }
  if (number('OMPI_COMM_WORLD_SIZE') !== null)
    return {
      launcher: "Open MPI's mpirun",
      library: 'openmpi',
      size: number('OMPI_COMM_WORLD_SIZE'),
      rank: number('OMPI_COMM_WORLD_RANK'),
    }
  const step = environment.SLURM_STEP_ID !== undefined
  if (number('PMI_SIZE') !== null)
    return {
      launcher:
        step && environment.HYDI_CONTROL_FD === undefined ? 'srun --mpi=pmi2' : "MPICH's mpirun",
      library: 'mpich',
      size: number('PMI_SIZE'),
      rank: number('PMI_RANK'),
    }
  const size = number('SLURM_STEP_NUM_TASKS') ?? number('SLURM_NTASKS')
  if (number('PMIX_RANK') !== null)
    return {
      launcher: step ? 'srun --mpi=pmix' : 'a PMIx launcher',
      library: 'openmpi',
      size: step ? size : null,
      rank: number('PMIX_RANK'),
    }
  if (step) return { launcher: 'srun', library: null, size, rank: number('SLURM_PROCID') }
  return null
}
