/** Waits for all, then throws the first failure: nothing may still write when the caller goes on. */
export async function allSettledOrThrow<T>(jobs: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(jobs)
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}
