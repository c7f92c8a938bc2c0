/** What ranks send each other; may lie over a SharedArrayBuffer and begin anywhere in it. */
export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array

/** Where the processes of a job come from: none but this one, or one of the two MPI libraries that are known. */
export type CollectiveKind = 'solo' | 'openmpi' | 'mpich'

/**
 * The ranks of a job, which are processes of one program, on one machine or many, and what they do together.
 *
 * Every rank must call the same methods with arrays of the same class and length, in the same order. A method takes
 * its place in that order when it is called: its promise need not be awaited before the next call, and the order is
 * the same for a rank that awaits and one that doesn't. One operation is under way at a time. Until its promise is
 * settled an array belongs to the operation: it must be neither written nor transferred.
 *
 * Errors are SaddleErrors. SHAPE and RANGE say that the arguments are wrong, before anything is sent; COLLECTIVE that
 * the library failed. After either the ranks no longer agree on what comes next, and the job is to be aborted.
 */
export interface Collective {
  readonly kind: CollectiveKind
  /** 0 … size − 1. */
  readonly rank: number
  readonly size: number
  /** Rank among those of this machine. */
  readonly localRank: number
  /** What the library answers, e.g. "Open MPI v4.1.4". */
  readonly library: string
  /**
   * In place: every rank gets x_0 + x_1 + … + x_{size−1}. The order of additions is the library's: equal on all ranks,
   * but another for other sizes. Sends 2 (1 − 1/size) of the array's bytes, at best.
   */
  allreduceSum(values: Float32Array | Float64Array | Int32Array): Promise<void>
  /** In place: every rank gets the largest of each number. */
  allreduceMax(values: Float64Array | Int32Array): Promise<void>
  /** In place: every rank gets the numbers of rank `root`. */
  broadcast(values: Numbers, root: number): Promise<void>
  /**
   * Every rank gets the parts of all. `all` holds them one after the other, `counts[r]` numbers of rank r, the own
   * part already in its place.
   */
  allgatherv(all: Numbers, counts: readonly number[]): Promise<void>
  /**
   * Rank r gets the next `sendCounts[r]` numbers of `send`, and its own next `receiveCounts[r]` go to `receive`: both hold
   * one part a rank, one after the other. At most 2²⁸ numbers each.
   */
  alltoallv(
    send: Numbers,
    sendCounts: readonly number[],
    receive: Numbers,
    receiveCounts: readonly number[],
  ): Promise<void>
  /** Settles on no rank before it was called on all. */
  barrier(): Promise<void>
  /** Ends the whole job at once, every rank of it, with this exit code (1 … 255). */
  abort(code: number): never
  /**
   * Waits for what was called before, on all ranks, and takes leave of the library. Every rank must call it when all
   * went well, and none when something failed on it alone: it would wait for the others. Idempotent. A process
   * that ends without it aborts the job, as one that crashes.
   */
  close(): Promise<void>
}
