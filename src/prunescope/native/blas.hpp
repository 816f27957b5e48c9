// Dense matrix products by a BLAS that is found at run time, through its Fortran entry points.
#pragma once

#include <cstdint>

#include "views.hpp"

namespace prunescope {

// A matrix to multiply, of floats or of bfloat16 numbers; the pointer to the other sort is null. The leading
// dimension is the distance between its columns.
struct Operand {
  const float* wide;
  const uint16_t* narrow;
  Index leading;

  Operand from(Index place) const {
    return {wide ? wide + place : nullptr, narrow ? narrow + place : nullptr, leading};
  }
};

// c [m, n] = op(a) [m, k] op(b) [k, n], column-major. An operand is taken as it is for 'N', transposed for
// 'T'; both are of one sort.
struct DenseProduct {
  char op_a, op_b;
  Index m, n, k;
  Operand a, b;
  float* c;
  Index leading_c;
};

struct Blas {
  template <class T>
  using Gemm = void (*)(const char*, const char*, const int*, const int*, const int*, const float*, const T*,
                        const int*, const T*, const int*, const float*, float*, const int*);
  using Sgemm = Gemm<float>;
  using NarrowGemm = Gemm<uint16_t>;
  using SetThreads = int (*)(int);

  Sgemm sgemm = nullptr;
  SetThreads set_threads_local = nullptr;  // sets the calling thread's number of threads, returns the old one
  NarrowGemm narrow = nullptr;             // of bfloat16 numbers, with sums in float32; null: there is none

  // Computes a product on the calling thread alone. The caller divides its products over threads, into fixed
  // pieces, so that results do not depend on the number of threads.
  void multiply(const DenseProduct& product) const {
    const auto to_int = [](Index size) { return static_cast<int>(size); };  // what this interface takes
    const int m = to_int(product.m), n = to_int(product.n), k = to_int(product.k);
    const int lda = to_int(product.a.leading), ldb = to_int(product.b.leading),
              ldc = to_int(product.leading_c);
    const float one = 1, zero = 0;
    const auto call = [&](auto gemm, auto* a, auto* b) {
      gemm(&product.op_a, &product.op_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, product.c, &ldc);
    };
    const int before = set_threads_local ? set_threads_local(1) : 0;
    if (product.a.narrow)
      call(narrow, product.a.narrow, product.b.narrow);
    else
      call(sgemm, product.a.wide, product.b.wide);
    if (set_threads_local) set_threads_local(before);
  }
};

}  // namespace prunescope
