import * as tf from '@tensorflow/tfjs-core'
import { areFloats, type BlasKernel, type KernelCall } from './kernel.js'
import { bitsOf, loopOf } from './loops.js'

/** Kernels of one tensor, elementwise: float32 to float32, one pass. */
export const unaryKernels: readonly BlasKernel[] = [
  ...Object.entries({
    [tf.Abs]: 'Math.abs(x)',
    [tf.Neg]: '-1 * x',
    [tf.Sqrt]: 'Math.sqrt(x)',
    [tf.Square]: 'x * x',
  }).map(([name, expression]): BlasKernel => ({ name, compute: floatwise(expression) })),
  { name: tf.Relu, compute: bitwise(keepNaN('x & ~(x >> 31)')) },
  { name: tf.Step, compute: call => (call.attrs.alpha === 0 ? step(call) : null) },
]

function floatwise(expression: string) {
  const loop = loopOf(expression, 'full')
  return ({ inputs, storage }: KernelCall) => {
    const { x } = inputs as { x: tf.TensorInfo }
    if (!areFloats(x)) return null
    const values = storage.floats(x)
    const out = storage.allocate(values.length)
    loop(values, values, out, 1, out.length)
    return storage.output(x.shape, out)
  }
}

/**
 * The same on the bits of the numbers. A comparison of random numbers is a branch that the processor guesses wrong
 * half of the time, which costs more than the rest of the loop.
 */
function bitwise(expression: string) {
  const loop = loopOf(expression, 'full')
  return ({ inputs, storage }: KernelCall) => {
    const { x } = inputs as { x: tf.TensorInfo }
    if (!areFloats(x)) return null
    const values = storage.floats(x)
    const out = storage.allocate(values.length)
    const bits = bitsOf(values)
    loop(bits, bits, bitsOf(out), 1, out.length)
    return storage.output(x.shape, out)
  }
}

/** NaN has an exponent of ones and a mantissa; no branch here is guessed wrong where there is none. */
function keepNaN(expression: string): string {
  return `(x & 0x7fffffff) > 0x7f800000 ? x : ${expression}`
}

/** 1.0 where x > 0: where the bits are those of a positive integer, neither −x nor ~x has its sign bit clear. */
const step = bitwise(keepNaN('-((-x & ~x) >>> 31) & 0x3f800000'))
