import * as tf from '@tensorflow/tfjs-core'
import { address, integer } from '../arguments.js'
import { programOf } from '../program.js'
import { type CudaKernel, type KernelCall, sizeOf } from './kernel.js'

/** exp(x − max) / Σ exp(x − max) of every row, and its logarithm: a thread a row, for rows as long as classes. */
const SOFTMAX = programOf(
  'softmax',
  [tf.Softmax, tf.LogSoftmax].map(
    name => `
extern "C" __global__ void rows_${name}(i64 n, const float *a, float *out, i64 cols) {
  EACH(r, n) {
    const float *x = a + r * cols;
    float *y = out + r * cols;
    float most = x[0], sum = 0.0f;
    for (i64 j = 1; j < cols; j++) most = x[j] != x[j] || x[j] > most ? x[j] : most;
    for (i64 j = 0; j < cols; j++) sum += expf(x[j] - most);
    float shift = most + logf(sum);
    for (i64 j = 0; j < cols; j++)
      y[j] = ${name === tf.Softmax ? 'expf(x[j] - most) / sum' : 'x[j] - shift'};
  }
}`,
  ),
)

export const softmaxKernels: readonly CudaKernel[] = [
  { name: tf.Softmax, compute: call => softmax(call, tf.Softmax, call.attrs.dim as number) },
  { name: tf.LogSoftmax, compute: call => softmax(call, tf.LogSoftmax, call.attrs.axis as number) },
]

function softmax(
  { inputs, storage }: KernelCall,
  name: string,
  axis: number,
): tf.TensorInfo | null {
  const { logits } = inputs as { logits: tf.TensorInfo }
  const rank = logits.shape.length
  if (logits.dtype !== 'float32' || rank === 0 || (axis + rank) % rank !== rank - 1) return null
  const cols = logits.shape.at(-1)!
  const from = storage.deviceAddress(logits)
  const out = storage.output(logits.shape, 'float32')
  const rows = cols === 0 ? 0 : sizeOf(logits.shape) / cols
  storage.runtime.launch(SOFTMAX, `rows_${name}`, rows, [
    address(from),
    address(storage.deviceAddress(out)),
    integer(cols),
  ])
  return out
}
