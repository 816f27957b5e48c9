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

  // Returns the product of some rows of op(a) and some columns of op(b).
  DenseProduct part(Range rows, Range columns) const {
    return {.op_a = op_a,
            .op_b = op_b,
            .m = rows.end - rows.begin,
            .n = columns.end - columns.begin,
            .k = k,
            .a = a.from(op_a == 'N' ? rows.begin : rows.begin * a.leading),
            .b = b.from(op_b == 'N' ? columns.begin * b.leading : columns.begin),
            .c = c + rows.begin + columns.begin * leading_c,
            .leading_c = leading_c};
  }
};

// The entry points of a BLAS; those that it lacks are null.
struct Blas {
  template <class T>
  using Gemm = void (*)(const char*, const char*, const int*, const int*, const int*, const float*, const T*,
                        const int*, const T*, const int*, const float*, float*, const int*);
  using Sgemm = Gemm<float>;
  using NarrowGemm = Gemm<uint16_t>;
  using SetThreads = int (*)(int);
  using PackedSize = std::size_t (*)(const char*, const int*, const int*, const int*);
  using Pack = void (*)(const char*, const char*, const int*, const int*, const int*, const float*,
                        const float*, const int*, float*);
  using PackedSgemm = void (*)(const char*, const char*, const int*, const int*, const int*, const float*,
                               const int*, const float*, const int*, const float*, float*, const int*);

  Sgemm sgemm = nullptr;
  SetThreads set_threads_local = nullptr;  // sets the calling thread's number of threads, returns the old one
  NarrowGemm narrow = nullptr;             // of bfloat16 numbers, with sums in float32
  // The memory of the packed left operand of a product, in bytes; the packing; the product that takes it.
  PackedSize packed_size = nullptr;
  Pack pack = nullptr;
  PackedSgemm packed_sgemm = nullptr;

  // Calls task() with this thread's number of threads set to one. The caller divides its products over
  // threads, into fixed pieces, so that results do not depend on the number of threads.
  template <class F>
  void alone(F task) const {
    const int before = set_threads_local ? set_threads_local(1) : 0;
    task();
    if (set_threads_local) set_threads_local(before);
  }

  // Returns how many floats the packed left operand takes. A product of any b takes it that has the same
  // sizes.
  Index packed_floats(const DenseProduct& p) const {
    const int m = to_int(p.m), n = to_int(p.n), k = to_int(p.k);
    std::size_t bytes = 0;
    alone([&] { bytes = packed_size("A", &m, &n, &k); });
    return bytes / sizeof(float) + 1;
  }

  void pack_left(const DenseProduct& p, float* packed) const {
    const int m = to_int(p.m), n = to_int(p.n), k = to_int(p.k), lda = to_int(p.a.leading);
    const float one = 1;
    alone([&] { pack("A", &p.op_a, &m, &n, &k, &one, p.a.wide, &lda, packed); });
  }

  // Computes a product; `packed`, where it is not null, is its left operand.
  void multiply(const DenseProduct& p, const float* packed) const {
    const int m = to_int(p.m), n = to_int(p.n), k = to_int(p.k);
    const int lda = to_int(p.a.leading), ldb = to_int(p.b.leading), ldc = to_int(p.leading_c);
    const float one = 1, zero = 0;
    const auto call = [&](auto gemm, auto* a, auto* b) {
      gemm(&p.op_a, &p.op_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, p.c, &ldc);
    };
    alone([&] {
      if (p.a.narrow)
        call(narrow, p.a.narrow, p.b.narrow);
      else if (packed)
        packed_sgemm("P", &p.op_b, &m, &n, &k, packed, &lda, p.b.wide, &ldb, &zero, p.c, &ldc);
      else
        call(sgemm, p.a.wide, p.b.wide);
    });
  }

 private:
  static int to_int(Index size) { return static_cast<int>(size); }  // what this interface takes
};

}  // namespace prunescope
