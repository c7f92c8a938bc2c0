import * as tf from '@tensorflow/tfjs-core'
import { address, float } from '../arguments.js'
import { programOf } from '../program.js'
import type { CudaStorage } from '../storage.js'
import { areAll, type CudaKernel, type KernelCall } from './kernel.js'

/** float32 to float32; p and q are the kernel's attributes. NaN stays NaN, but its sign is 0. */
const FLOATS: Readonly<Record<string, string>> = {
  [tf.Abs]: 'fabsf(x)',
  [tf.Acos]: 'acosf(x)',
  [tf.Acosh]: 'acoshf(x)',
  [tf.Asin]: 'asinf(x)',
  [tf.Asinh]: 'asinhf(x)',
  [tf.Atan]: 'atanf(x)',
  [tf.Atanh]: 'atanhf(x)',
  [tf.Ceil]: 'ceilf(x)',
  [tf.ClipByValue]: 'x > q ? q : (x < p ? p : x)',
  [tf.Cos]: 'cosf(x)',
  [tf.Cosh]: 'coshf(x)',
  [tf.Elu]: 'x >= 0.0f ? x : expm1f(x)',
  [tf.Erf]: 'erff(x)',
  [tf.Exp]: 'expf(x)',
  [tf.Expm1]: 'expm1f(x)',
  [tf.Floor]: 'floorf(x)',
  [tf.LeakyRelu]: 'x < 0.0f ? p * x : x',
  [tf.Log]: 'logf(x)',
  [tf.Log1p]: 'log1pf(x)',
  [tf.Neg]: '-1.0f * x',
  [tf.Reciprocal]: '1.0f / x',
  [tf.Relu]: 'x != x || x > 0.0f ? x : 0.0f',
  [tf.Relu6]: 'x != x ? x : (x > 6.0f ? 6.0f : (x > 0.0f ? x : 0.0f))',
  [tf.Round]: 'rintf(x)',
  [tf.Rsqrt]: '1.0f / sqrtf(x)',
  [tf.Sigmoid]: '1.0f / (1.0f + expf(-x))',
  [tf.Sign]: 'x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : 0.0f)',
  [tf.Sin]: 'sinf(x)',
  [tf.Sinh]: 'sinhf(x)',
  [tf.Softplus]: 'fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)))',
  [tf.Sqrt]: 'sqrtf(x)',
  [tf.Square]: 'x * x',
  [tf.Step]: 'x != x ? x : (x > 0.0f ? 1.0f : p)',
  [tf.Tan]: 'tan((double)x)',
  [tf.Tanh]: 'tanhf(x)',
}

/** Flags of float32. */
const FLAGS: Readonly<Record<string, string>> = {
  [tf.IsFinite]: 'fabsf(x) < INFINITE',
  [tf.IsInf]: 'fabsf(x) == INFINITE',
  [tf.IsNan]: 'x != x',
}

/** Which attributes p and q are. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  [tf.ClipByValue]: ['clipValueMin', 'clipValueMax'],
  [tf.LeakyRelu]: ['alpha'],
  [tf.Step]: ['alpha'],
}

const UNARY = programOf('unary', [
  ...Object.entries(FLOATS).map(([name, expression]) => loop(name, 'float', 'float', expression)),
  ...Object.entries(FLAGS).map(([name, expression]) => loop(name, 'float', 'u8', expression)),
  loop(tf.LogicalNot, 'u8', 'u8', '!x'),
])

function loop(name: string, from: string, to: string, expression: string): string {
  return `
extern "C" __global__ void unary_${name}(i64 n, const ${from} *a, ${to} *out, float p, float q) {
  EACH(i, n) {
    ${from} x = a[i];
    out[i] = (${to})(${expression});
  }
}`
}

export const unaryKernels: readonly CudaKernel[] = [
  ...Object.keys(FLOATS).map(name => kernel(name, 'float32', 'float32')),
  ...Object.keys(FLAGS).map(name => kernel(name, 'float32', 'bool')),
  kernel(tf.LogicalNot, 'bool', 'bool'),
]

type Type = 'float32' | 'bool'

function kernel(name: string, from: Type, to: Type): CudaKernel {
  return {
    name,
    compute({ inputs, attrs, storage }: KernelCall) {
      const { x } = inputs as { x: tf.TensorInfo }
      if (!areAll(from, x)) return null
      const parameters = (PARAMETERS[name] ?? []).map(key => attrs[key] as number)
      return elementwise(storage, name, x, to, parameters)
    },
  }
}

/** The kernel `name` of one float32 tensor, such as a product's activation. */
export function elementwise(
  storage: CudaStorage,
  name: string,
  x: tf.TensorInfo,
  to: Type = 'float32',
  [p = 0, q = 0]: readonly number[] = [],
): tf.TensorInfo {
  const from = storage.deviceAddress(x)
  const out = storage.output(x.shape, to)
  storage.runtime.launch(UNARY, `unary_${name}`, tf.util.sizeFromShape(x.shape), [
    address(from),
    address(storage.deviceAddress(out)),
    float(p),
    float(q),
  ])
  return out
}
