import { programOf } from '../program.js'

/** σ(x) and σ'(x) in float32; p: the number in the activation's name. The formulas are those of core/activations. */
interface ActivationCode {
  readonly value: string
  readonly slope: string
}

/** Φ(x) and φ(x). */
const DISTRIBUTION = (x: string) => `(0.5f * erfcf(-(${x}) * 0.70710678f))`
const DENSITY = (x: string) => `(0.39894228f * expf(-0.5f * (${x}) * (${x})))`
const LOGISTIC = (x: string) => `(1.0f / (1.0f + expf(-(${x}))))`
const POSITIVE = 'fmaxf(x, 0.0f)'

export const ACTIVATIONS: Readonly<Record<string, ActivationCode>> = {
  relu: { value: 'x != x || x > 0.0f ? x : 0.0f', slope: 'x != x ? x : (x > 0.0f ? 1.0f : 0.0f)' },
  gs: {
    value: `${POSITIVE} + p * (${DENSITY('x / p')} - fabsf(x / p) * ${DISTRIBUTION('-fabsf(x / p)')})`,
    slope: DISTRIBUTION('x / p'),
  },
  softplus: {
    value: `${POSITIVE} + log1pf(expf(-p * fabsf(x))) / p`,
    slope: LOGISTIC('p * x'),
  },
  tanh: {
    value: 'tanhf(x)',
    slope: '4.0f * expf(-2.0f * fabsf(x)) / square(1.0f + expf(-2.0f * fabsf(x)))',
  },
  erf: { value: 'erff(x)', slope: '1.1283792f * expf(-x * x)' },
  gelu: {
    value: `x * ${DISTRIBUTION('x')}`,
    slope: `${DISTRIBUTION('x')} + x * ${DENSITY('x')}`,
  },
  silu: {
    value: `x * ${LOGISTIC('x')}`,
    slope: `${LOGISTIC('x')} * (1.0f + x * (1.0f - ${LOGISTIC('x')}))`,
  },
  sincos: { value: 'sinf(x) + cosf(x)', slope: 'cosf(x) - sinf(x)' },
  'quadratic-relu': { value: `0.5f * square(${POSITIVE})`, slope: POSITIVE },
}

/** A name in C. */
export function identifier(activation: string): string {
  return activation.replace('-', '_')
}

/** y is null where there is one branch. Z: [rows, cols], one a for each row. */
function kernelsOf(activation: string, { value, slope }: ActivationCode): string {
  const name = identifier(activation)
  return `
static __device__ inline float value_of_${name}(float x, float p) { return ${value}; }
static __device__ inline float slope_of_${name}(float x, float p) { return ${slope}; }

extern "C" __global__ void values_${name}(i64 n, const float *z, const float *y, float *out, float p) {
  EACH(i, n) out[i] = value_of_${name}(z[i], p) - (y ? value_of_${name}(y[i], p) : 0.0f);
}

extern "C" __global__ void values_signals_${name}(i64 n, float *z, float *y, const float *a, float *out, i64 cols, float p) {
  EACH(i, n) {
    float ar = a[i / cols], x = z[i], value = value_of_${name}(x, p);
    z[i] = ar * slope_of_${name}(x, p);
    if (y) {
      float other = y[i];
      value -= value_of_${name}(other, p);
      y[i] = ar * slope_of_${name}(other, p);
    }
    out[i] = value;
  }
}

/* c: [cols, outputs] */
extern "C" __global__ void signals_${name}(i64 n, float *z, const float *a, const float *c, i64 cols, i64 outputs, float factor, float p) {
  EACH(i, n) {
    const float *ar = a + i / cols * outputs, *ci = c + i % cols * outputs;
    float sum = 0.0f;
    ROLLED for (i64 o = 0; o < outputs; o++) sum += ar[o] * ci[o];
    z[i] = factor * sum * slope_of_${name}(z[i], p);
  }
}`
}

/** All of them, compiled together. */
export const PASSES = programOf('passes', [
  `static __device__ inline float square(float x) { return x * x; }`,
  ...Object.entries(ACTIVATIONS).map(([name, code]) => kernelsOf(name, code)),
  `
extern "C" __global__ void mask(i64 n, float *p, const float *x) {
  EACH(i, n) p[i] = x[i] != x[i] ? x[i] : (x[i] > 0.0f ? p[i] : 0.0f);
}`,
])
