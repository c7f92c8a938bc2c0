import * as tf from '@tensorflow/tfjs-core'
import type { AttackKey } from '../attack.js'
import type { View } from '../view.js'
import { startStreams } from './run.js'

/** Where a search starts: at x, or at a random point; `clean-first` takes x first and random points on restarts. */
export type Start = 'clean' | 'uniform' | 'border' | 'clean-first'

/** The points [n, d] where a restart begins. */
export function startPoints(
  start: Start,
  { set, centres }: Pick<View, 'set' | 'centres'>,
  key: AttackKey,
  restart: number,
): tf.Tensor2D {
  if (start === 'clean' || (start === 'clean-first' && restart === 0)) return tf.clone(centres)
  const kind = start === 'border' ? 'border' : 'uniform'
  return set.project(centres, set.sample(centres, startStreams(key, restart), kind))
}
