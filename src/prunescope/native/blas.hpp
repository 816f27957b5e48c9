// Dense matrix products by a BLAS that is found at run time, through its Fortran entry points.
#pragma once

#include "views.hpp"

namespace prunescope {

// c [m, n] = op(a) [m, k] op(b) [k, n], column-major. An operand is taken as it is for 'N', transposed for
// 'T'; the leading dimension of each matrix is the distance between its columns.
struct DenseProduct {
  char op_a, op_b;
  Index m, n, k;
  const float* a;
  Index leading_a;
  const float* b;
  Index leading_b;
  float* c;
  Index leading_c;
};

struct Blas {
  using Sgemm = void (*)(const char*, const char*, const int*, const int*, const int*, const float*,
                         const float*, const int*, const float*, const int*, const float*, float*,
                         const int*);
  using SetThreads = int (*)(int);

  Sgemm sgemm = nullptr;
  SetThreads set_threads_local = nullptr;  // sets the calling thread's number of threads, returns the old one

  // Computes a product on the calling thread alone. The caller divides its products over threads, into fixed
  // pieces, so that results do not depend on the number of threads.
  void multiply(const DenseProduct& product) const {
    const auto narrow = [](Index size) { return static_cast<int>(size); };  // what this interface takes
    const int m = narrow(product.m), n = narrow(product.n), k = narrow(product.k);
    const int lda = narrow(product.leading_a), ldb = narrow(product.leading_b),
              ldc = narrow(product.leading_c);
    const float one = 1, zero = 0;
    const int before = set_threads_local ? set_threads_local(1) : 0;
    sgemm(&product.op_a, &product.op_b, &m, &n, &k, &one, product.a, &lda, product.b, &ldb, &zero, product.c,
          &ldc);
    if (set_threads_local) set_threads_local(before);
  }
};

}  // namespace prunescope
