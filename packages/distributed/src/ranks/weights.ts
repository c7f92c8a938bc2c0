import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { type Parameters, SaddleError } from '@saddle/core'
import { rowsHeld, type SliceShare } from '../team/slices.js'
import type { Ranks } from './ranks.js'

/** Bytes hashed at a time. */
const CHUNK = 1 << 26

/** SHA-256 over all trained matrices, in order: equal for equal runs, whatever ran them. */
export function hashOfWeights({ trained }: Parameters): string {
  const hash = createHash('sha256')
  for (const { weights } of trained) {
    const { buffer, byteOffset, byteLength } = weights.data
    for (let at = 0; at < byteLength; at += CHUNK)
      hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(CHUNK, byteLength - at)))
  }
  return hash.digest('hex')
}

/**
 * The same where ranks hold rows of their own: they go to rank 0 one after the other, 64 MiB at a time, so that no rank
 * ever holds all of them.
 *
 * @param share null where every rank holds all.
 * @returns on rank 0; elsewhere an empty text.
 */
export async function hashOfAllWeights(
  { rank, size, isFirst, collective }: Ranks,
  parameters: Parameters,
  share: SliceShare | null,
): Promise<string> {
  if (share === null || size === 1) return isFirst ? hashOfWeights(parameters) : ''
  const hash = createHash('sha256')
  const room = new Float32Array(CHUNK / 4)
  for (const { weights } of parameters.trained)
    for (let owner = 0; owner < size; owner++) {
      const { start, stop } = rowsHeld({ ...share, rank: owner })
      const length = (stop - start) * weights.cols
      for (let at = 0; at < length; at += room.length) {
        const part = room.subarray(0, Math.min(room.length, length - at))
        if (rank === owner) part.set(weights.data.subarray(at, at + part.length))
        await collective.broadcast(part, owner)
        if (isFirst) hash.update(new Uint8Array(part.buffer, 0, part.byteLength))
      }
    }
  return isFirst ? hash.digest('hex') : ''
}

/**
 * Compares the weights that ranks hold after `step` steps; nothing where each holds rows of its own.
 *
 * @throws SaddleError COLLECTIVE on all ranks, with every hash, if they are not the same
 */
export async function requireEqualWeights(
  ranks: Ranks,
  parameters: Parameters,
  step: number,
  share: SliceShare | null,
): Promise<void> {
  if (ranks.size === 1 || share !== null) return
  const own = await ranks.together(() => hashOfWeights(parameters))
  const found = await ranks.gatherTexts(JSON.stringify({ hash: own, host: hostname() }))
  await ranks.together(() => {
    const all = found.map((text, rank) => ({
      rank,
      ...(JSON.parse(text) as { hash: string; host: string }),
    }))
    if (all.every(({ hash }) => hash === all[0]!.hash)) return
    const groups = [...new Set(all.map(({ hash }) => hash))].map(hash => {
      const who = all.filter(a => a.hash === hash).map(({ rank, host }) => `rank ${rank} (${host})`)
      return `${who.join(', ')}: ${hash}`
    })
    throw new SaddleError(
      'COLLECTIVE',
      `The weights of the ranks differ after step ${step}: ${groups.join('; ')}. Memory or a processor may be at fault, or ` +
        'ranks compute on processors of different kinds. No checkpoint was written since they were last found equal; ' +
        'leave out the machine at fault, then `saddle resume` the run.',
      { step, hashes: all.map(({ hash }) => hash) },
    )
  })
}
