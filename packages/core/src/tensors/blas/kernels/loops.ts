/**
 * Elementwise loops, compiled from one template for every operation and layout of operands.
 *
 * A loop that is handed its operation as a function runs several times slower once it has seen three of them: the
 * engine no longer inlines the call. Hence a loop of its own for each, four numbers a turn, written from an
 * expression of this package's source (never from data).
 */

/** Where in an operand the number for row r, column j, place i = r·cols + j is: a matrix, [rows, 1], or [1, cols]. */
export type Access = 'full' | 'column' | 'row'

const INDEX: Readonly<Record<Access, (ahead: number) => string>> = {
  full: ahead => `i + ${ahead}`,
  column: () => 'r',
  row: ahead => `j + ${ahead}`,
}

/** Numbers of one width: floats, the bits of floats, or flags. */
type Numbers = Float32Array | Int32Array | Uint8Array
/** out[r, j] ← expression in x = a[…] and, of two operands, y = b[…]. */
export type Loop = (a: Numbers, b: Numbers, out: Numbers, rows: number, cols: number) => void

const compiled = new Map<string, Loop>()

/** The loop of `expression`, in which x and y are the operands' numbers. Compiled once a thread. */
export function loopOf(expression: string, x: Access, y: Access = x): Loop {
  const key = `${x} ${y} ${expression}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const loop = compile(expression, INDEX[x], INDEX[y])
  compiled.set(key, loop)
  return loop
}

function compile(
  expression: string,
  x: (ahead: number) => string,
  y: (ahead: number) => string,
): Loop {
  const place = (ahead: number) =>
    `{ const x = a[${x(ahead)}], y = b[${y(ahead)}]; out[i + ${ahead}] = ${expression} }`
  const body = `
    const fours = cols - cols % 4
    for (let r = 0, i = 0; r < rows; r++) {
      let j = 0
      for (; j < fours; j += 4, i += 4) { ${[0, 1, 2, 3].map(place).join('\n')} }
      for (; j < cols; j++, i++) ${place(0)}
    }`
  return new Function('a', 'b', 'out', 'rows', 'cols', body) as Loop
}

/** The bits of float32 numbers, in place. */
export function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length)
}
