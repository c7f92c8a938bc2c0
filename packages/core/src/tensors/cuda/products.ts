import type { Operand, ProductShape } from '../algebra.js'
import type { Precision } from '../precision.js'
import type { Device } from './device.js'
import { callFailed, cublasStatusName } from './status.js'

/** cublasMath_t: CUBLAS_DEFAULT_MATH computes float32 in float32; CUBLAS_TF32_TENSOR_OP_MATH. */
const MATH_MODE: Readonly<Record<Precision, number>> = { float32: 0, tf32: 3, bf16: 0 }
/** cudaDataType_t and cublasComputeType_t of a product of bf16 operands that is summed and kept in float32. */
const [R_32F, R_16BF, COMPUTE_32F] = [0, 14, 68]
/** cublasGemmAlgo_t CUBLAS_GEMM_DEFAULT: the library's own choice. */
const DEFAULT_ALGORITHM = -1
/** cublasOperation_t. */
const OPERATION = { plain: 0, transposed: 1 }

function operation({ transposed }: DeviceOperand): number {
  return transposed ? OPERATION.transposed : OPERATION.plain
}

/** An operand on the device: numbers from one matrix of the batch to the next (0 to take one for all). */
export interface DeviceOperand extends Omit<Operand, 'data' | 'stride'> {
  readonly address: number
  readonly step: number
}

/** Products by cuBLAS on the device's stream. */
export class Products {
  readonly #device: Device
  readonly #handle: bigint
  readonly version: string
  #precision: Precision = 'float32'
  readonly #one = Float32Array.of(1)
  readonly #zero = Float32Array.of(0)

  constructor(device: Device) {
    this.#device = device
    const { cublas } = device.cuda
    const out = new BigUint64Array(1)
    this.#check('cublasCreate', cublas.cublasCreate(out))
    this.#handle = out[0]!
    device.hold('product', Number(this.#handle))
    this.#check('cublasSetStream', cublas.cublasSetStream(this.#handle, device.stream))
    const version = new Int32Array(1)
    this.#check('cublasGetVersion', cublas.cublasGetVersion(this.#handle, version))
    this.version = String(version[0])
    this.precision = 'float32'
  }

  get precision(): Precision {
    return this.#precision
  }

  set precision(precision: Precision) {
    const { cublas } = this.#device.cuda
    const status = cublas.cublasSetMathMode(this.#handle, MATH_MODE[precision])
    this.#check('cublasSetMathMode', status)
    this.#precision = precision
  }

  /**
   * C_i ← op(A_i) op(B_i) for i < batch, all row-major, of float32 operands. cuBLAS has columns where we have rows: it is
   * given C_iᵀ = op(B_i)ᵀ op(A_i)ᵀ, which needs no copy.
   */
  multiply(
    { m, n, k }: ProductShape,
    batch: number,
    a: DeviceOperand,
    b: DeviceOperand,
    c: number,
  ): void {
    const { cublas } = this.#device.cuda
    const how = [operation(b), operation(a), n, m, k] as const
    const [ldb, lda] = [b.transposed ? k : n, a.transposed ? m : k]
    const [one, zero] = [this.#one, this.#zero]
    const handle = this.#handle
    if (batch === 1) {
      const status = cublas.cublasSgemm(
        handle,
        ...how,
        one,
        b.address,
        ldb,
        a.address,
        lda,
        zero,
        c,
        n,
      )
      this.#check('cublasSgemm', status)
      return
    }
    const status = cublas.cublasSgemmStridedBatched(
      handle,
      ...how,
      one,
      b.address,
      ldb,
      b.step,
      a.address,
      lda,
      a.step,
      zero,
      c,
      n,
      m * n,
      batch,
    )
    this.#check('cublasSgemmStridedBatched', status)
  }

  /** The same of operands in bf16; C is float32, and so are the sums. */
  multiplyNarrow(
    { m, n, k }: ProductShape,
    batch: number,
    a: DeviceOperand,
    b: DeviceOperand,
    c: number,
  ): void {
    const { cublas } = this.#device.cuda
    const how = [this.#handle, operation(b), operation(a), n, m, k, this.#one] as const
    const right = [b.address, R_16BF, b.transposed ? k : n] as const
    const left = [a.address, R_16BF, a.transposed ? m : k] as const
    const to = [this.#zero, c, R_32F, n] as const
    const by = [COMPUTE_32F, DEFAULT_ALGORITHM] as const
    if (batch === 1)
      this.#check('cublasGemmEx', cublas.cublasGemmEx(...how, ...right, ...left, ...to, ...by))
    else {
      const status = cublas.cublasGemmStridedBatchedEx(
        ...how,
        ...right,
        b.step,
        ...left,
        a.step,
        ...to,
        m * n,
        batch,
        ...by,
      )
      this.#check('cublasGemmStridedBatchedEx', status)
    }
  }

  close(): void {
    this.#device.given('product', Number(this.#handle))
    this.#check('cublasDestroy', this.#device.cuda.cublas.cublasDestroy(this.#handle))
  }

  #check(call: string, status: number): void {
    if (status === 0) return
    throw callFailed(this.#device.failed(call, status, cublasStatusName(status)))
  }
}
