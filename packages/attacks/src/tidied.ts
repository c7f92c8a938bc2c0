import * as tf from '@tensorflow/tfjs-core'

/** `tf.tidy` for records: frees all tensors that `compute` made but those in its result, also when it throws. */
export function tidied<T extends object>(compute: () => T): T {
  return tf.tidy(compute as unknown as () => tf.TensorContainerObject) as unknown as T
}

/**
 * The next state of an iteration. Frees all that was made in between, and of the old state what the next one does not
 * hold on to, so memory stays flat. States are records of tensors and of such records.
 */
export function advanced<T extends object>(state: T, step: (state: T) => T): T {
  const next = tidied(() => step(state))
  const held = new Set(tensorsOf(next))
  tf.dispose(tensorsOf(state).filter(tensor => !held.has(tensor)))
  return next
}

/** The same record with every tensor in it changed. */
export function eachTensor<T extends object>(
  record: T,
  change: (tensor: tf.Tensor) => tf.Tensor,
): T {
  const entries = Object.entries(record).map(([name, value]) => [
    name,
    value instanceof tf.Tensor ? change(value) : eachTensor(value, change),
  ])
  return Object.fromEntries(entries) as T
}

function tensorsOf(record: object): tf.Tensor[] {
  return Object.values(record).flatMap(value =>
    value instanceof tf.Tensor ? [value] : tensorsOf(value),
  )
}
