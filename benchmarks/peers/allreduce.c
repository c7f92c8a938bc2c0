/*
 * allreduce BYTES…: the median seconds of a sum of float32 over all ranks, in place, for arrays of so many bytes.
 *
 * Rank 0 prints them as JSON. The same sizes, repetitions and barriers as contestants/allreduce.mjs.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int rank;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int i = 1; i < argc; i++) {
    long bytes = atol(argv[i]);
    int count = (int)(bytes / sizeof(float));
    long wanted = (1L << 26) / bytes;
    int repetitions = wanted < 7 ? 7 : wanted > 301 ? 301 : (int)wanted;
    float *values = calloc(count, sizeof(float));
    double *seconds = malloc(repetitions * sizeof(double));
    for (int r = -2; r < repetitions; r++) {
      MPI_Barrier(MPI_COMM_WORLD);
      double start = MPI_Wtime();
      MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
      if (r >= 0) seconds[r] = MPI_Wtime() - start;
    }
    qsort(seconds, repetitions, sizeof(double), by_value);
    if (rank == 0) printf("%s%.9f", i == 1 ? "[" : ",", seconds[repetitions / 2]);
    free(values);
    free(seconds);
  }
  if (rank == 0) printf("]\n");
  MPI_Finalize();
  return 0;
}
