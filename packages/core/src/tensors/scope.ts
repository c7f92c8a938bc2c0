import * as tf from '@tensorflow/tfjs-core'

/**
 * Runs `work` and disposes of every tensor it made. For results without tensors: `tf.tidy` walks through whatever it
 * is given back, looking for tensors to spare, and does so number by number for a typed array (measured: 0.5 s for
 * half a million floats).
 */
export function scoped<T>(work: () => T): T {
  tf.engine().startScope()
  try {
    return work()
  } finally {
    tf.engine().endScope()
  }
}
