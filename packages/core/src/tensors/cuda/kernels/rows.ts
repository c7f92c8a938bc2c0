import { programOf } from '../program.js'

/** Threads of a row: each sums every LANES-th entry, and one thread a row adds what they found. */
export const LANES = 32
/** Sums of a row's lane, at most. */
export const SUMS = 7
/** What the last sweep is told of a row: how, and four numbers. */
export const COEFFICIENTS = 5

/**
 * Steps of an attack on rows [d] of centres c and points x, in float64 from float32 and back (the formulas of
 * core/perturbation). Sums of a row go through `lanes`, from which a thread a row makes what the last sweep, over entries,
 * needs: out ← α c + β x + γ t, where t is g, or its tangential part. g is null for a projection alone.
 */
export const ROWS = programOf('rows', [
  `
#define LANES ${LANES}
#define COPY_POINT 0
#define COPY_CENTRE 1
#define COMBINE 2
#define COMBINE_AND_TURN 3

/* Adds up one of a row's sums. */
static __device__ inline double total(const double *lanes, i64 row, int sums, int which) {
  double sum = 0;
  ROLLED for (int lane = 0; lane < LANES; lane++) sum += lanes[(row * LANES + lane) * sums + which];
  return sum;
}

static __device__ inline double largest(const double *lanes, i64 row, int sums, int which) {
  double most = 0;
  ROLLED for (int lane = 0; lane < LANES; lane++) {
    double size = lanes[(row * LANES + lane) * sums + which];
    if (size != size || size > most) most = size;
  }
  return most;
}

/* (1 to 4: alpha, beta, gamma, and what is added at the entry that alpha's row turns to) */
static __device__ inline void tell(double *row, double how, double alpha, double beta, double gamma) {
  row[0] = how; row[1] = alpha; row[2] = beta; row[3] = gamma; row[4] = 0;
}

/* l2 ball: o = x - c; lanes: |o|^2, <o, g>, |g|^2, entries that differ */
extern "C" __global__ void l2_sums(i64 n, const float *c, const float *x, const float *g, double *lanes, i64 d) {
  EACH(i, n) {
    i64 row = i / LANES * d;
    double oo = 0, og = 0, gg = 0, differ = 0;
    ROLLED for (i64 j = row + i % LANES; j < row + d; j += LANES) {
      double o = (double)x[j] - c[j], gj = g ? g[j] : 0;
      oo += o * o;
      og += o * gj;
      gg += gj * gj;
      differ += x[j] != c[j];
    }
    double *out = lanes + 4 * i;
    out[0] = oo; out[1] = og; out[2] = gg; out[3] = differ;
  }
}

/* s = step/|g|, k = min(1, radius/|o + s g|): out = c + k (o + s g) */
extern "C" __global__ void l2_row(i64 n, const double *lanes, double *rows, double radius, double step) {
  EACH(i, n) {
    double oo = total(lanes, i, 4, 0), og = total(lanes, i, 4, 1), gg = total(lanes, i, 4, 2);
    double s = gg == 0 ? 0 : step / sqrt(gg);
    double square = oo + s * (2 * og + s * gg), far = sqrt(square < 0 ? 0 : square);
    double k = far > radius ? radius / far : (far != far ? far : 1);
    double *row = rows + ${COEFFICIENTS} * i;
    if (s == 0 && total(lanes, i, 4, 3) == 0) tell(row, COPY_CENTRE, 0, 0, 0);
    else if (s == 0 && k == 1) tell(row, COPY_POINT, 0, 0, 0);
    else tell(row, COMBINE, 1 - k, k, k * s);
  }
}

/* cap, first: lanes: max |g_j|, |x|^2, <g, x>; row: 1/max and the share of x in g */
extern "C" __global__ void cap_gradient(i64 n, const float *x, const float *g, double *lanes, i64 d) {
  EACH(i, n) {
    i64 row = i / LANES * d;
    double most = 0, xx = 0, gx = 0;
    ROLLED for (i64 j = row + i % LANES; j < row + d; j += LANES) {
      double xj = x[j], gj = g[j], size = fabs(gj);
      if (size != size || size > most) most = size;
      xx += xj * xj;
      gx += gj * xj;
    }
    double *out = lanes + 3 * i;
    out[0] = most; out[1] = xx; out[2] = gx;
  }
}

extern "C" __global__ void cap_tangent(i64 n, const double *lanes, double *parts) {
  EACH(i, n) {
    double most = largest(lanes, i, 3, 0), xx = total(lanes, i, 3, 1);
    parts[2 * i] = most == 0 ? 1 : 1 / most;
    parts[2 * i + 1] = xx == 0 ? 0 : total(lanes, i, 3, 2) / xx;
  }
}

/* The part of g orthogonal to x over max |g_j|; what is only rounding is 0. */
static __device__ inline double tangent(float x, float g, const double *parts, i64 row) {
  float t = (float)(parts[2 * row] * (g - parts[2 * row + 1] * x));
  return fabsf(t) <= 1e-6f ? 0 : t;
}

/* lanes: |t|^2, <x, t>, <c, t>, <c, x>, |c|^2, |x|^2, entries that differ */
extern "C" __global__ void cap_sums(i64 n, const float *c, const float *x, const float *g, const double *parts, double *lanes, i64 d) {
  EACH(i, n) {
    i64 first = i / LANES * d;
    double tt = 0, xt = 0, ct = 0, cx = 0, cc = 0, xx = 0, differ = 0;
    ROLLED for (i64 j = first + i % LANES; j < first + d; j += LANES) {
      double cj = c[j], xj = x[j], t = g ? tangent(x[j], g[j], parts, i / LANES) : 0;
      tt += t * t;
      xt += xj * t;
      ct += cj * t;
      cx += cj * xj;
      cc += cj * cj;
      xx += xj * xj;
      differ += x[j] != c[j];
    }
    double *out = lanes + 7 * i;
    out[0] = tt; out[1] = xt; out[2] = ct; out[3] = cx; out[4] = cc; out[5] = xx; out[6] = differ;
  }
}

/* z = x + s t with s = step/|t|; share of c in z, and across, the length of the rest; p = <z, c>/|c|:
   out = cos(u) c/|c| + sin(u) (z - share c)/across,  u = min(atan2(across, p), theta) */
extern "C" __global__ void cap_row(i64 n, const float *c, const double *lanes, double *rows, i64 d, double theta, double step) {
  EACH(i, n) {
    double tt = total(lanes, i, 7, 0), xt = total(lanes, i, 7, 1), ct = total(lanes, i, 7, 2);
    double cx = total(lanes, i, 7, 3), cc = total(lanes, i, 7, 4), xx = total(lanes, i, 7, 5);
    double s = tt == 0 ? 0 : step / sqrt(tt);
    double zz = xx + s * (2 * xt + s * tt), length = sqrt(cc), share = cc == 0 ? 0 : (cx + s * ct) / cc;
    double p = share * length, rest = zz - p * p;
    double *row = rows + ${COEFFICIENTS} * i;
    if (s == 0 && total(lanes, i, 7, 6) == 0) tell(row, COPY_CENTRE, 0, 0, 0);
    else if (rest <= 1e-15 * zz) {
      /* Up to rounding z lies along c. Opposite to it every tangent will do: that of the smallest coordinate. */
      tell(row, COMBINE, 1 / length, 0, 0);
      if (p < 0) {
        i64 k = 0;
        ROLLED for (i64 j = 1; j < d; j++)
          if (fabsf(c[i * d + j]) < fabsf(c[i * d + k])) k = j;
        double along = c[i * d + k] / length, turn = sin(theta) / sqrt(1 - along * along);
        tell(row, COMBINE_AND_TURN, (cos(theta) - turn * along) / length, (double)k, 0);
        row[4] = turn;
      }
    } else {
      double across = sqrt(rest), u = atan2(across, p);
      if (u > theta) u = theta;
      double turn = sin(u) / across;
      tell(row, COMBINE, cos(u) / length - turn * share, turn, turn * s);
    }
  }
}

static __device__ inline float combined(const double *row, i64 j, float c, float x, double t) {
  if (row[0] == COPY_POINT) return x;
  if (row[0] == COPY_CENTRE) return c;
  if (row[0] == COMBINE_AND_TURN) return (float)(row[1] * c + ((double)j == row[2] ? row[4] : 0));
  return (float)(row[1] * c + row[2] * x + (row[3] == 0 ? 0 : row[3] * t));
}

extern "C" __global__ void l2_apply(i64 n, const float *c, const float *x, const float *g, const double *rows, float *out, i64 d) {
  EACH(i, n) out[i] = combined(rows + ${COEFFICIENTS} * (i / d), i % d, c[i], x[i], g ? g[i] : 0);
}

extern "C" __global__ void cap_apply(i64 n, const float *c, const float *x, const float *g, const double *parts, const double *rows, float *out, i64 d) {
  EACH(i, n) out[i] = combined(rows + ${COEFFICIENTS} * (i / d), i % d, c[i], x[i], g ? tangent(x[i], g[i], parts, i / d) : 0);
}

/* linf ball: clip(x + step sign(g), c - radius, c + radius), and to [0, 1] in a box; NaN where g or x is not a number */
extern "C" __global__ void linf_apply(i64 n, const float *c, const float *x, const float *g, float *out, double radius, double step, i64 box) {
  EACH(i, n) {
    double v = x[i], lo = c[i] - radius, hi = c[i] + radius;
    if (g) v += step * ((double)(g[i] > 0) - (double)(g[i] < 0) + (g[i] - g[i]));
    v = v < lo ? lo : (v > hi ? hi : v);
    if (box) v = v < 0 ? 0 : (v > 1 ? 1 : v);
    out[i] = (float)v;
  }
}

/* x where max |x_j| of its row is above the row's least size, else 0 times x */
extern "C" __global__ void above_sizes(i64 n, const float *x, double *lanes, i64 d) {
  EACH(i, n) {
    i64 row = i / LANES * d;
    double most = 0;
    ROLLED for (i64 j = row + i % LANES; j < row + d; j += LANES) {
      double size = fabsf(x[j]);
      if (size != size || size > most) most = size;
    }
    lanes[i] = most;
  }
}

extern "C" __global__ void above_row(i64 n, const double *lanes, const float *least, float *rows) {
  EACH(i, n) rows[i] = largest(lanes, i, 1, 0) > least[i] ? 1.0f : 0.0f;
}

extern "C" __global__ void above_apply(i64 n, const float *x, const float *rows, float *out, i64 d) {
  EACH(i, n) out[i] = rows[i / d] * x[i];
}`,
])
