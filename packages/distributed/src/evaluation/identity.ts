import { createHash } from 'node:crypto'
import type { AttackSpec } from '@saddle/attacks'
import { SaddleError, type SetSpec } from '@saddle/core'
import { canonicalJson } from '../config/hash.js'
import { show } from '../config/problems.js'
import type { CriterionSpec } from './criterion.js'

/**
 * All that decides the figures of an evaluation, so that one that was interrupted goes on as itself or not at all.
 * Workers and shards are not in it: they decide nothing.
 */
export interface Identity {
  readonly format: 3
  /** SHA-256. */
  readonly model: string
  readonly data: string
  /** How many, and the SHA-256 of their indices. */
  readonly examples: string
  readonly set: SetSpec['kind']
  readonly radii: readonly number[]
  readonly attacks: readonly AttackSpec[]
  readonly loss: string
  readonly criterion: CriterionSpec
  readonly seed: number
  /** SHA-256 of the points that attacks begin at, where the user gave some. */
  readonly startingPoints?: string
  /** Whether adversarial points are kept. */
  readonly points: boolean
  /** What computes: it decides the last bits. */
  readonly backend: string
  readonly saddle: string
}

/** What each part of it is called on the command line. */
const NAMES: Readonly<Record<keyof Identity, string>> = {
  format: 'the format of the state',
  model: 'the weights of the model',
  data: 'the data',
  examples: '--examples',
  set: '--set',
  radii: '--radii',
  attacks: '--attacks',
  loss: '--loss',
  criterion: '--criterion',
  seed: '--seed',
  startingPoints: '--starting-points',
  points: '--save-adversarial',
  backend: 'the backend',
  saddle: 'the version of Saddle',
}

export function identityHash(identity: Identity): string {
  return createHash('sha256').update(canonicalJson(identity)).digest('hex')
}

/** How many examples, and a hash of which. */
export function namedExamples(order: Int32Array): string {
  const hash = createHash('sha256').update(
    Buffer.from(order.buffer, order.byteOffset, order.byteLength),
  )
  return `${order.length}, ${hash.digest('hex')}`
}

/** @throws SaddleError CONFIG that lists what differs, before and now. */
export function requireSame(dir: string, before: Identity, now: Identity): void {
  const differs = (Object.keys(NAMES) as (keyof Identity)[]).filter(
    key => canonicalJson(before[key]) !== canonicalJson(now[key]),
  )
  if (differs.length === 0) return
  const lines = differs.map(
    key => `${NAMES[key]} (${show(before[key])} then, ${show(now[key])} now)`,
  )
  throw new SaddleError(
    'CONFIG',
    `${dir} holds another evaluation: it differs in ${lines.join('; ')}. To go on with it give what it was begun with; for ` +
      'a new one choose another folder with --out.',
    { dir, differs },
  )
}
