// Dense products go to a BLAS found at run time; these are its Fortran entry points.
#pragma once

#include <cstdint>

namespace prunescope {

struct Blas {
  using Sgemm = void (*)(const char*, const char*, const int*, const int*, const int*, const float*,
                         const float*, const int*, const float*, const int*, const float*, float*,
                         const int*);
  using SetThreads = int (*)(int);

  Sgemm sgemm = nullptr;
  SetThreads set_threads_local = nullptr;  // of the calling thread; returns the number before

  // c [m, n] = op(a) [m, k] op(b) [k, n], column-major, on the calling thread alone: parallel
  // products are cut into fixed pieces by the caller, so that results do not depend on the number of threads.
  void product(char op_a, char op_b, int m, int n, int k, const float* a, int lda, const float* b, int ldb,
               float* c, int ldc) const {
    const float one = 1, zero = 0;
    const int before = set_threads_local ? set_threads_local(1) : 0;
    sgemm(&op_a, &op_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc);
    if (set_threads_local) set_threads_local(before);
  }
};

}  // namespace prunescope
