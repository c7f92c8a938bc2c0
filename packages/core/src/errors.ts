/**
 * Every error this project throws on purpose: one class, a stable `code`, and fields for programs.
 *
 * The message is one paragraph for people: what was expected, what was got, what to do. Across a thread or a
 * process an error loses its class and its fields; `toWire` and `fromWire` carry them over.
 */
export type ErrorCode =
  | 'SHAPE' // an array or tensor has the wrong shape
  | 'RANGE' // a number lies outside its range
  | 'DATA' // a data file is missing, damaged, or holds values that cannot be used
  | 'INCOMPATIBLE' // perturbation sets of differently labelled points meet (Definition 3.1)
  | 'BACKEND' // a tensor backend is unknown or did not load
  | 'CONFIG' // a configuration is wrong
  | 'CHECKPOINT' // a checkpoint is missing, damaged, or of another run
  | 'DISK' // the disk is full or a folder cannot be written
  | 'WORKER' // workers died repeatedly on the same task
  | 'NUMERIC' // a loss or a weight is not finite
  | 'COLLECTIVE' // the ranks of a job can't be joined up, or what they do together failed
  | 'STOPPED' // stopped on request

export interface WireError {
  readonly code: ErrorCode
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export class SaddleError extends Error {
  override readonly name = 'SaddleError'
  readonly code: ErrorCode
  readonly fields: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, fields: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.fields = fields
  }
}

/** An error in the form that survives `postMessage`; null if `error` is not one of ours. */
export function toWire(error: unknown): WireError | null {
  if (!(error instanceof SaddleError)) return null
  return { code: error.code, message: error.message, fields: error.fields }
}

/** The inverse of `toWire`: looks at the error itself and at its `cause`, where a thread pool leaves it. */
export function fromWire(error: unknown): SaddleError | null {
  if (error instanceof SaddleError) return error
  for (const candidate of [error, (error as { cause?: unknown } | null)?.cause]) {
    const { code, message, fields } = (candidate ?? {}) as Partial<WireError>
    if (typeof code === 'string' && typeof message === 'string' && typeof fields === 'object')
      return new SaddleError(code, message, fields)
  }
  return null
}

/** Throws a SHAPE error unless `actual` equals `expected`; -1 in `expected` accepts any length. */
export function assertShape(
  what: string,
  actual: readonly number[],
  expected: readonly number[],
): void {
  const same =
    actual.length === expected.length && expected.every((e, i) => e === -1 || e === actual[i])
  if (same) return
  const show = (shape: readonly number[]) =>
    `[${shape.map(s => (s === -1 ? 'any' : s)).join(', ')}]`
  throw new SaddleError(
    'SHAPE',
    `${what}: expected shape ${show(expected)}, got ${show(actual)}.`,
    {
      expected,
      actual,
    },
  )
}
