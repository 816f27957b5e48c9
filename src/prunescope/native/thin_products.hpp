// Products with a matrix of few rows that keeps every entry: an output layer too thin for BLAS.
//
// Every line of inputs is loaded once for several sums. kernels.cpp includes this file, once for each
// instruction set.
#pragma once

#include "products.hpp"

namespace prunescope {
namespace {

// ROWS_TOGETHER x ACROSS sums are in registers at a time.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int ROWS_TOGETHER = 5;  // of 32 registers; of the rows of ten classes none is left over
#else
constexpr int ROWS_TOGETHER = 3;
#endif
constexpr int ACROSS = 4;  // vectors, or columns, of each row

template <int N>
struct Count {
  static constexpr int value = N;
};

// Calls task(first, Count<how many>) until all of `range` is done, at most N at a time.
template <int N, class F>
INLINE void in_groups(Range range, F task) {
  for (; range.begin + N <= range.end; range.begin += N) task(range.begin, Count<N>{});
  if constexpr (N > 1) in_groups<N - 1>(range, task);
}

void forward_thin(const DenseMatrix& matrix, Tile<const float> input, Tile<float> output, const float* bias,
                  Index valid) {
  const SampleMask mask(valid);
  const Activation activation{.relu = false, .mask = mask};
  for (int first = 0; first < VECTORS; first += ACROSS)
    in_groups<ROWS_TOGETHER>({0, matrix.rows}, [&](Index r, auto count) {
      constexpr int N = decltype(count)::value;
      Vector total[N][ACROSS];
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < ACROSS; ++i) total[n][i] = splat(bias[r + n]);
      for (Index c = 0; c < matrix.columns; ++c) {
        Vector line[ACROSS];
        for (int i = 0; i < ACROSS; ++i) line[i] = load(input.feature(c) + (first + i) * WIDTH);
        for (int n = 0; n < N; ++n) {
          const Vector w = splat(matrix.weight[(r + n) * matrix.pitch + c]);
          for (int i = 0; i < ACROSS; ++i) total[n][i] += w * line[i];
        }
      }
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < ACROSS; ++i)
          store(output.feature(r + n) + (first + i) * WIDTH, activation(total[n][i], first + i));
    });
}

// A few columns meet a few rows over all tiles. Their partial sums stay in registers, so lanes are added up
// once.
void weight_gradient_thin(const DenseGradient& gradient, Range columns, Index tiles, Tiles<const float> delta,
                          Tiles<const float> input) {
  for (Index r = 0; gradient.row_sum && r < gradient.rows; ++r) {
    Vector total{};
    for (Index t = 0; t < tiles; ++t)
      for (int i = 0; i < VECTORS; ++i) total += load(delta[t].feature(r) + i * WIDTH);
    gradient.row_sum[r] = sum(total);
  }
  in_groups<ACROSS>(columns, [&](Index c, auto column_count) {
    constexpr int C = decltype(column_count)::value;
    in_groups<ROWS_TOGETHER>({0, gradient.rows}, [&](Index r, auto row_count) {
      constexpr int N = decltype(row_count)::value;
      Vector total[N][C] = {};
      for (Index t = 0; t < tiles; ++t)
        for (int i = 0; i < VECTORS; ++i) {
          Vector line[C];
          for (int m = 0; m < C; ++m) {
            const float* p = input[t].feature(c + m) + i * WIDTH;
            line[m] = load(p);
            // tiles lie far apart: nothing else fetches the next columns ahead
            if (r == 0) __builtin_prefetch(p + C * input.stride);
          }
          for (int n = 0; n < N; ++n) {
            const Vector d = load(delta[t].feature(r + n) + i * WIDTH);
            for (int m = 0; m < C; ++m) total[n][m] += d * line[m];
          }
        }
      for (int n = 0; n < N; ++n)
        for (int m = 0; m < C; ++m) gradient.weight[(r + n) * gradient.pitch + c + m] = sum(total[n][m]);
    });
  });
}

// A few columns share the loads of the deltas; the matrix's column c lies across its rows.
void input_gradient_thin(const DenseMatrix& matrix, Range columns, Tile<const float> delta,
                         Tile<float> hidden, const InputGradientTerms& terms) {
  in_groups<ROWS_TOGETHER>(columns, [&](Index c, auto count) {
    constexpr int N = decltype(count)::value;
    for (int first = 0; first < VECTORS; first += ACROSS) {
      Vector total[N][ACROSS] = {};
      for (Index r = 0; r < matrix.rows; ++r) {
        Vector line[ACROSS];
        for (int i = 0; i < ACROSS; ++i) line[i] = load(delta.feature(r) + (first + i) * WIDTH);
        for (int n = 0; n < N; ++n) {
          const Vector w = splat(matrix.weight[r * matrix.pitch + c + n]);
          for (int i = 0; i < ACROSS; ++i) total[n][i] += w * line[i];
        }
      }
      for (int n = 0; n < N; ++n) {
        const InputGradient write = input_gradient_of(hidden.feature(c + n), terms, c + n);
        for (int i = 0; i < ACROSS; ++i) write(first + i, total[n][i]);
      }
    }
  });
}

}  // namespace
}  // namespace prunescope
