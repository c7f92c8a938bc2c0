import * as tf from '@tensorflow/tfjs-core'
import { address, broadcastStrides, double, walk } from '../arguments.js'
import { programOf } from '../program.js'
import type { CudaStorage } from '../storage.js'
import { C_TYPE, type CudaKernel, SUFFIX, sizeOf } from './kernel.js'

type Type = keyof typeof C_TYPE

/** A kernel of two tensors: an expression in x and y for each type of theirs. */
interface Binary {
  readonly from: Readonly<Partial<Record<Type, string>>>
  /** The type of the result where it is not that of the operands. */
  readonly to?: Type
}

/** int32 wraps around, as in JavaScript's typed arrays; in C only unsigned numbers do. */
const wrapped = (operator: string) => `(int)((u32)x ${operator} (u32)y)`
const arithmetic = (operator: string): Binary => ({
  from: { float32: `x ${operator} y`, int32: wrapped(operator) },
})
const comparison = (operator: string): Binary => {
  const expression = `x ${operator} y`
  return { from: { float32: expression, int32: expression, bool: expression }, to: 'bool' }
}
const extremum = (operator: string): Binary => ({
  from: {
    float32: `x != x ? x : (y != y ? y : (x ${operator} y ? x : y))`,
    int32: `x ${operator} y ? x : y`,
  },
})

const BINARY_KERNELS: Readonly<Record<string, Binary>> = {
  [tf.Add]: arithmetic('+'),
  [tf.Sub]: arithmetic('-'),
  [tf.Multiply]: arithmetic('*'),
  [tf.RealDiv]: { from: { float32: 'x / y' } },
  [tf.Maximum]: extremum('>'),
  [tf.Minimum]: extremum('<'),
  [tf.SquaredDifference]: { from: { float32: '(x - y) * (x - y)' } },
  [tf.Atan2]: { from: { float32: 'atan2f(x, y)' } },
  [tf.Greater]: comparison('>'),
  [tf.GreaterEqual]: comparison('>='),
  [tf.Less]: comparison('<'),
  [tf.LessEqual]: comparison('<='),
  [tf.Equal]: comparison('=='),
  [tf.NotEqual]: comparison('!='),
  [tf.LogicalAnd]: { from: { bool: 'x && y' } },
  [tf.LogicalOr]: { from: { bool: 'x || y' } },
}

const BINARY = programOf(
  'binary',
  Object.entries(BINARY_KERNELS).flatMap(([name, { from, to }]) =>
    Object.entries(from).map(([type, expression]) =>
      loop(name, type as Type, to ?? (type as Type), expression),
    ),
  ),
)

/**
 * Operands of one shape, and of single numbers, are read in order; only other broadcasts divide. A number that is not on
 * the device comes with the launch, in place of an address.
 */
function loop(name: string, from: Type, to: Type, expression: string): string {
  const [In, Out] = [C_TYPE[from], C_TYPE[to]]
  return `
extern "C" __global__ void binary_${name}_${SUFFIX[from]}(i64 n, const ${In} *a, const ${In} *b, ${Out} *out, double left, double right, Dims dims) {
  EACH(i, n) {
    i64 p = i * dims.a[0], q = i * dims.b[0];
    if (dims.rank > 1) places(dims, i, p, q);
    ${In} x = a ? a[p] : (${In})left, y = b ? b[q] : (${In})right;
    out[i] = (${Out})(${expression});
  }
}`
}

export const binaryKernels: readonly CudaKernel[] = Object.keys(BINARY_KERNELS).map(name => ({
  name,
  compute({ inputs, storage }) {
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo }
    return combined(storage, name, a, b)
  },
}))

/** The kernel `name` of two tensors with broadcasting; null for types that it is not made for. */
export function combined(
  storage: CudaStorage,
  name: string,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
): tf.TensorInfo | null {
  const { from, to } = BINARY_KERNELS[name]!
  const type = a.dtype as Type
  if (a.dtype !== b.dtype || from[type] === undefined) return null
  const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape)
  const dims = walk(shape, broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape))
  if (dims === null) return null
  const numbers = [a, b].map(operand => storage.numberOnHost(operand))
  const [left, right] = [a, b].map((operand, i) =>
    address(numbers[i] === null ? storage.deviceAddress(operand) : 0),
  )
  const out = storage.output(shape, to ?? type)
  storage.runtime.launch(BINARY, `binary_${name}_${SUFFIX[type]}`, sizeOf(shape), [
    left!,
    right!,
    address(storage.deviceAddress(out)),
    double(numbers[0] ?? 0),
    double(numbers[1] ?? 0),
    dims,
  ])
  return out
}
