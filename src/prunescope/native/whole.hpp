// Products of a map that keeps all of its few rows' weights, an output layer too thin for BLAS: each line is
// loaded once for several sums. See kernels.hpp; included by kernels.cpp, once for each instruction set.
#pragma once

#include "products.hpp"

namespace prunescope {
namespace {

// Sums in registers at a time.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int TOGETHER = 5;  // with 32 registers; of ten classes none is left over
#else
constexpr int TOGETHER = 3;
#endif
constexpr int ACROSS = 4;  // vectors, or columns, of each

template <int N>
struct Count {
  static constexpr int value = N;
};

// Calls task(first, Count<how many>) until `n` are done, at most N at a time.
template <int N, class F>
INLINE void in_groups(int first, int n, F task) {
  for (; first + N <= n; first += N) task(first, Count<N>{});
  if constexpr (N > 1) in_groups<N - 1>(first, n, task);
}

void forward_whole(const float* weight, long pitch, int rows, int columns, const float* x, long xs,
                   float* out, long os, const float* bias, int valid) {
  const Valid lanes(valid);
  const Finish finished{false, valid == TILE, lanes};
  for (int i0 = 0; i0 < VECTORS; i0 += ACROSS)
    in_groups<TOGETHER>(0, rows, [&](int r, auto count) {
      constexpr int N = decltype(count)::value;
      V acc[N][ACROSS];
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < ACROSS; ++i) acc[n][i] = splat(bias[r + n]);
      for (int c = 0; c < columns; ++c) {
        V line[ACROSS];
        for (int i = 0; i < ACROSS; ++i) line[i] = load(x + c * xs + (i0 + i) * W);
        for (int n = 0; n < N; ++n) {
          const V w = splat(weight[(r + n) * pitch + c]);
          for (int i = 0; i < ACROSS; ++i) acc[n][i] += w * line[i];
        }
      }
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < ACROSS; ++i)
          store(out + (r + n) * os + (i0 + i) * W, finished(acc[n][i], i0 + i));
    });
}

// A few columns against a few rows over all tiles; their partial sums stay in registers, so lanes are added
// up once.
void weights_whole(int rows, int c0, int c1, int tiles, const float* delta, long ds, long dt, const float* x,
                   long xs, long xt, float* gradient, long pitch, float* total) {
  for (int r = 0; total && r < rows; ++r) {
    V all{};
    for (int t = 0; t < tiles; ++t)
      for (int i = 0; i < VECTORS; ++i) all += load(delta + t * dt + r * ds + i * W);
    total[r] = sum(all);
  }
  in_groups<ACROSS>(c0, c1, [&](int c, auto columns) {
    constexpr int C = decltype(columns)::value;
    in_groups<TOGETHER>(0, rows, [&](int r, auto count) {
      constexpr int N = decltype(count)::value;
      V acc[N][C] = {};
      for (int t = 0; t < tiles; ++t)
        for (int i = 0; i < VECTORS; ++i) {
          V line[C];
          for (int m = 0; m < C; ++m) {
            const float* p = x + t * xt + (c + m) * xs + i * W;
            line[m] = load(p);
            if (r == 0)
              __builtin_prefetch(p + C * xs);  // tiles lie far apart: nothing else fetches them ahead
          }
          for (int n = 0; n < N; ++n) {
            const V d = load(delta + t * dt + (r + n) * ds + i * W);
            for (int m = 0; m < C; ++m) acc[n][m] += d * line[m];
          }
        }
      for (int n = 0; n < N; ++n)
        for (int m = 0; m < C; ++m) gradient[(r + n) * pitch + c + m] = sum(acc[n][m]);
    });
  });
}

}  // namespace
}  // namespace prunescope
