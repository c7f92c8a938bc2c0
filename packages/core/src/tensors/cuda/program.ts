/** CUDA C of a family of kernels, compiled together. */
export interface Program {
  readonly name: string
  readonly source: string
}

/**
 * What all programs begin with. Every kernel is a loop over elements with the whole grid as its stride, without shared
 * memory and without barriers: any grid gives the same numbers. Unrolling those loops would cost NVRTC seconds.
 */
const COMMON = `
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef long long i64;
struct Dims { i64 rank; i64 length[8]; i64 a[8]; i64 b[8]; };
#define EACH(i, n) \\
  _Pragma("unroll 1") \\
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (i64)gridDim.x * blockDim.x)
#define ROLLED _Pragma("unroll 1")
#define NOT_A_NUMBER __int_as_float(0x7fffffff)
#define INFINITE __int_as_float(0x7f800000)

/* Where element i of a walk lies in its two tensors. A tensor has fewer than 2^32 elements, so that one division of
   32 bits is enough for a dimension. */
static __device__ inline void places(const Dims &dims, i64 i, i64 &p, i64 &q) {
  u32 rest = (u32)i;
  p = 0;
  q = 0;
  _Pragma("unroll 1")
  for (int d = (int)dims.rank - 1; d > 0; d--) {
    u32 length = (u32)dims.length[d];
    u32 next = rest / length;
    i64 at = rest - next * length;
    p += at * dims.a[d];
    q += at * dims.b[d];
    rest = next;
  }
  if (dims.rank > 0) {
    p += rest * dims.a[0];
    q += rest * dims.b[0];
  }
}
`

export function programOf(name: string, kernels: readonly string[]): Program {
  return { name, source: [COMMON, ...kernels].join('\n') }
}
