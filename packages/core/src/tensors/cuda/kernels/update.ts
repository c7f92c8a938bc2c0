import { programOf } from '../program.js'

/** Sums of one proposal: ‖V − W_0‖², ‖G‖², and of a comparator those of `ComparisonSums`. */
export const SUMS = 6

/**
 * The update of one block of rows, entry by entry (see core/descent/update.ts, whose formulas and roundings these are).
 * A thread takes every n-th number, so that its sums depend on the shape alone.
 */
export const UPDATE = programOf('update', [
  `
/* v ← D − α G; w: W† − W_0, or 0 where there is none. sums: [n, ${SUMS}]. */
extern "C" __global__ void propose(i64 n, const float *d, const float *g, const float *w, float *v, double *sums, i64 length, double step) {
  EACH(lane, n) {
    double vv = 0, gg = 0, inner = 0, before2 = 0, after2 = 0, ww = 0;
    ROLLED for (i64 i = lane; i < length; i += n) {
      double di = d[i], gi = g[i];
      float vi = (float)(di - step * gi);
      v[i] = vi;
      vv += (double)vi * vi;
      gg += gi * gi;
      if (w) {
        double wi = w[i], before = di - wi, after = vi - wi;
        inner += gi * before;
        before2 += before * before;
        after2 += after * after;
        ww += wi * wi;
      }
    }
    double *out = sums + ${SUMS} * lane;
    out[0] = vv; out[1] = gg; out[2] = inner; out[3] = before2; out[4] = after2; out[5] = ww;
  }
}

/* to[lane] ← from[lane] + from[lane + n] + …, ${SUMS} sums side by side; n counts both. */
extern "C" __global__ void add_lanes(i64 n, const double *from, double *to, i64 many, i64 lanes) {
  EACH(i, n) {
    double sum = 0;
    ROLLED for (i64 lane = i / ${SUMS}; lane < many; lane += lanes) sum += from[${SUMS} * lane + i % ${SUMS}];
    to[i] = sum;
  }
}

/* D ← c V, W ← W_0 + D; w holds V. */
extern "C" __global__ void settle(i64 n, float *w, float *d, const float *initial, double scale) {
  EACH(i, n) {
    float di = (float)(scale * w[i]);
    d[i] = di;
    w[i] = initial[i] + di;
  }
}`,
])
