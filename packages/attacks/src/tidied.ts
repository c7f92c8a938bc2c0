import * as tf from '@tensorflow/tfjs-core'

/** `tf.tidy` for records: frees all tensors that `compute` made but those in its result, also when it throws. */
export function tidied<T extends object>(compute: () => T): T {
  return tf.tidy(compute as unknown as () => tf.TensorContainerObject) as unknown as T
}

/** The next state of an iteration; frees the old one and all that was made in between, so memory stays flat. */
export function advanced<T extends object>(state: T, step: (state: T) => T): T {
  const next = tidied(() => step(state))
  tf.dispose(state as tf.TensorContainerObject)
  return next
}
