/**
 * A WebAssembly module of elementwise loops on float32 numbers, four at a time: what JavaScript's own loops take ten times
 * as long for. Written here as bytes, so that no compiler is needed; every loop has the form
 *
 *   for (i = 0; i < bytes; i += 16) arrays[last][i] ← expression(arrays[i], numbers)
 *
 * with arrays as addresses in one memory. `bytes` is a multiple of 16.
 */

type Code = readonly number[]

/** Unsigned LEB128. */
function leb(value: number): Code {
  const low = value & 0x7f
  const rest = value >>> 7
  return rest === 0 ? [low] : [low | 0x80, ...leb(rest)]
}

const simd =
  (op: number) =>
  (...operands: Code[]): Code => [...operands.flat(), 0xfd, ...leb(op)]

const V = {
  splat: simd(0x13),
  differ: simd(0x42),
  and: simd(0x4e),
  or: simd(0x50),
  add: simd(0xe4),
  sub: simd(0xe5),
  mul: simd(0xe6),
  max: simd(0xe9),
  /** b < a ? b : a and a < b ? b : a, which keep an a that is NaN: one instruction each. */
  least: simd(0xea),
  most: simd(0xeb),
} as const

/** Four equal numbers, by their bits. */
function constant(bits: number): Code {
  const bytes = [bits & 0xff, (bits >>> 8) & 0xff, (bits >>> 16) & 0xff, bits >>> 24]
  return [0xfd, 0x0c, ...bytes, ...bytes, ...bytes, ...bytes]
}

const ZERO = constant(0)
const ONE = constant(0x3f800000)
const SIGN = constant(0x80000000)

/** Four numbers of an array, and the number of a parameter four times; the loop's own variables. */
interface Scope {
  array(index: number): Code
  number(index: number): Code
}

interface LoopSpec {
  readonly arrays: number
  readonly numbers: number
  /** Written to the last array. */
  expression(scope: Scope): Code
}

const between = (x: Code, low: Code, high: Code) => V.least(V.most(x, low), high)
/** 0, or NaN where x is not finite. */
const spoilt = (x: Code) => V.sub(x, x)
const signOf = (x: Code) => V.or(V.and(x, SIGN), V.and(V.differ(x, ZERO), ONE))

const ball = ({ array, number }: Scope, x: Code, first: number) =>
  between(
    x,
    V.most(V.sub(array(0), number(first)), number(first + 1)),
    V.least(V.add(array(0), number(first)), number(first + 2)),
  )

/** Every loop's expression; the exports of the module are named after them. */
const LOOPS = {
  /** max(x, 0). */
  rectify: { arrays: 1, numbers: 0, expression: ({ array }) => V.max(array(0), ZERO) },
  /** p where x ≠ 0, else 0; arrays x, p. */
  mask: {
    arrays: 2,
    numbers: 0,
    expression: ({ array }) => V.and(array(1), V.differ(array(0), ZERO)),
  },
  /** x clipped to [c − r, c + r] and [lo, hi]; NaN where x is not finite. Arrays c, x, out; numbers r, lo, hi. */
  clip: {
    arrays: 3,
    numbers: 3,
    expression: scope => ball(scope, V.add(scope.array(1), spoilt(scope.array(1))), 0),
  },
  /** x + η sign(g) clipped likewise; NaN where g is not finite. Arrays c, x, g, out; numbers η, r, lo, hi. */
  advance: {
    arrays: 4,
    numbers: 4,
    expression(scope) {
      const [x, g] = [scope.array(1), scope.array(2)]
      const moved = V.add(x, V.mul(scope.number(0), signOf(g)))
      return ball(scope, V.add(moved, spoilt(g)), 1)
    },
  },
  /** α a + β b + γ c. Arrays a, b, c, out; numbers α, β, γ. */
  combine: {
    arrays: 4,
    numbers: 3,
    expression: ({ array, number }) =>
      V.add(
        V.add(V.mul(number(0), array(0)), V.mul(number(1), array(1))),
        V.mul(number(2), array(2)),
      ),
  },
} as const satisfies Record<string, LoopSpec>

/** The loops: addresses of the arrays, how many bytes of them, and the numbers. */
export type Loops = Readonly<Record<keyof typeof LOOPS, (...operands: number[]) => void>>

const I32 = 0x7f
const F32 = 0x7d
const get = (local: number): Code => [0x20, local]
const vector = (items: readonly Code[]): Code => [...leb(items.length), ...items.flat()]
const sized = (content: Code): Code => [...leb(content.length), ...content]
const section = (id: number, content: Code): Code => [id, ...sized(content)]
const text = (name: string): Code => sized([...name].map(letter => letter.charCodeAt(0)))

/** Pages of 64 KiB that the memory may have: 4 GiB. */
export const MOST_PAGES = 1 << 16

/** The module; it imports `env.memory`, a shared memory of MOST_PAGES at most. */
export function moduleBytes(): Uint8Array<ArrayBuffer> {
  const loops = Object.entries(LOOPS) as [string, LoopSpec][]
  const types = loops.map(([, { arrays, numbers }]): Code => {
    const parameters = [...Array(arrays + 1).fill(I32), ...Array(numbers).fill(F32)] as number[]
    return [0x60, ...vector(parameters.map(type => [type])), 0x00]
  })
  const memory: Code = [...text('env'), ...text('memory'), 0x02, 0x03, 0x00, ...leb(MOST_PAGES)]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector([memory])),
    ...section(3, vector(loops.map((_, index) => leb(index)))),
    ...section(7, vector(loops.map(([name], index) => [...text(name), 0x00, ...leb(index)]))),
    ...section(10, vector(loops.map(([, loop]) => sized(bodyOf(loop))))),
  ])
}

/** Parameters: addresses, then bytes, then numbers; the only local is i. */
function bodyOf({ arrays, numbers, expression }: LoopSpec): Code {
  const bytes = arrays
  const i = arrays + 1 + numbers
  const address = (array: number): Code => [...get(array), ...get(i), 0x6a]
  const scope: Scope = {
    array: index => [...address(index), 0xfd, 0x00, 0x02, 0x00],
    number: index => V.splat(get(arrays + 1 + index)),
  }
  return [
    ...[0x01, 0x01, I32],
    ...[0x02, 0x40, 0x03, 0x40],
    ...[...get(i), ...get(bytes), 0x4f, 0x0d, 0x01],
    ...[...address(arrays - 1), ...expression(scope), 0xfd, 0x0b, 0x02, 0x00],
    ...[...get(i), 0x41, 0x10, 0x6a, 0x21, i, 0x0c, 0x00],
    ...[0x0b, 0x0b, 0x0b],
  ]
}
