import type { CollectiveKind } from './collective.js'

export type MpiFamily = Exclude<CollectiveKind, 'solo'>

/** A handle of MPI: the address of an object in Open MPI, a number in MPICH. */
export type Handle = bigint | number

/** The constants of mpi.h, which the two families define differently. */
export interface Abi {
  readonly world: Handle
  readonly errorsReturn: Handle
  readonly noInfo: Handle
  readonly noCommunicator: Handle
  /** MPI_COMM_TYPE_SHARED. */
  readonly shared: number
  /** In place of the send buffer. */
  readonly inPlace: bigint
  readonly sum: Handle
  readonly max: Handle
  readonly types: {
    readonly Float32Array: Handle
    readonly Float64Array: Handle
    readonly Int32Array: Handle
    readonly Uint8Array: Handle
  }
}

interface Family {
  readonly title: string
  /** Packages that bring it. */
  readonly debian: string
  /** Commands that join up its ranks. */
  readonly launchers: string
  /** What its MPI_Get_library_version begins with. */
  readonly signature: RegExp
  /** The type of a handle, in koffi's words. */
  readonly handle: 'void*' | 'int'
  files(platform: NodeJS.Platform): string[]
  open(address: (symbol: string) => Handle): Abi
}

/** Constants as in Open MPI 4.1 and MPICH 4.0, whose ABIs are stable since 1.10 and 3.1. */
export const abis: Record<MpiFamily, Family> = {
  openmpi: {
    title: 'Open MPI',
    debian: 'openmpi-bin',
    launchers: 'mpirun.openmpi (its mpirun) or srun --mpi=pmix',
    signature: /^Open MPI/,
    handle: 'void*',
    files: platform => (platform === 'darwin' ? ['libmpi.40.dylib'] : ['libmpi.so.40']),
    open: address => ({
      world: address('ompi_mpi_comm_world'),
      errorsReturn: address('ompi_mpi_errors_return'),
      noInfo: address('ompi_mpi_info_null'),
      noCommunicator: address('ompi_mpi_comm_null'),
      shared: 0,
      inPlace: 1n,
      sum: address('ompi_mpi_op_sum'),
      max: address('ompi_mpi_op_max'),
      types: {
        Float32Array: address('ompi_mpi_float'),
        Float64Array: address('ompi_mpi_double'),
        Int32Array: address('ompi_mpi_int'),
        Uint8Array: address('ompi_mpi_byte'),
      },
    }),
  },
  mpich: {
    title: 'MPICH',
    debian: 'mpich',
    launchers: 'mpirun.mpich (its mpirun) or srun --mpi=pmi2',
    signature: /^MPICH/,
    handle: 'int',
    // Built from its own sources it is called libmpi; Debian, where libmpi is Open MPI's, calls it libmpich.
    files: platform =>
      platform === 'darwin' ? ['libmpi.12.dylib'] : ['libmpich.so.12', 'libmpi.so.12'],
    open: () => ({
      world: 0x4400_0000,
      errorsReturn: 0x5400_0001,
      noInfo: 0x1c00_0000,
      noCommunicator: 0x0400_0000,
      shared: 1,
      inPlace: 0xffff_ffff_ffff_ffffn,
      sum: 0x5800_0003,
      max: 0x5800_0001,
      types: {
        Float32Array: 0x4c00_040a,
        Float64Array: 0x4c00_080b,
        Int32Array: 0x4c00_0405,
        Uint8Array: 0x4c00_010d,
      },
    }),
  },
}
