import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { currentBackend, useBackend } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'

/** Uses `cuda` on one device, in a thread or a process of its own, and says what it found, or what went wrong. */
const ordinal = isMainThread ? Number(process.argv[2] ?? 0) : workerData.ordinal
const report = await useBackend('cuda', ordinal).then(
  () => ({ found: currentBackend().found(), numbers: compute() }),
  error => ({ code: error.code, message: error.message }),
)
if (isMainThread) console.log(JSON.stringify(report))
else parentPort.postMessage(report)

/** x ← tanh(x W) ten times: the same on every device. */
function compute() {
  return tf.tidy(() => {
    const w = tf.tensor2d(
      Float32Array.from({ length: 400 }, (_, i) => Math.sin(i)),
      [20, 20],
    )
    let x = tf.tensor2d(
      Float32Array.from({ length: 100 }, (_, i) => Math.cos(i)),
      [5, 20],
    )
    for (let i = 0; i < 10; i++) x = tf.tanh(tf.matMul(x, w))
    return [...x.dataSync()]
  })
}
