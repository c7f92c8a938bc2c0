import { examplesThatFit, type HeldBytes, SaddleError } from '@saddle/core'

/** Runs `work` on a shard; to an error of a full device it adds the largest shard that would have fitted. */
export function advised<T>(examples: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof SaddleError) || error.fields.asked === undefined) throw error
    const { memory, ...held } = error.fields as unknown as HeldBytes & {
      memory: { readonly free: number } | null
    }
    if (memory === null) throw error
    const shard = examplesThatFit(held, memory.free, examples)
    const advice =
      shard === 0
        ? 'Not one example fits beside the matrices: take update: host if devices update, precision: float32 or tf32 ' +
          'rather than bf16, a narrower network, or a larger device.'
        : `These were ${examples} examples: take compute.shard: ${shard} or less.`
    throw new SaddleError(error.code, `${error.message} ${advice}`, { ...error.fields, shard })
  }
}
