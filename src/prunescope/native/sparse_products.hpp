// Products with the kept weights of a sparse matrix: forward, weight gradient, input gradient.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include <cstring>

#include "tiles.hpp"

namespace prunescope {
namespace {

// The entries begin <= k < end of one row; entry k lies in column[k].
struct RowEntries {
  const uint32_t* column;
  uint32_t begin, end;
};

// Asks for the first `count` features of a tile in order, before rows read them at random. The tile comes
// from a cache further out, and the processor fetches ahead by itself only what is read in order.
template <class T>
INLINE void prefetch(Tile<T> tile, Index count) {
  constexpr Index line = 64 / sizeof(T);
  for (Index f = 0; f < count; ++f)
    for (Index i = 0; i < TILE; i += line) __builtin_prefetch(tile.feature(f) + i, 0, 2);
}

// Adds sum_k weight[k] input[column[k]] to start(i) and passes the sum to finish(i, sum), for each vector i
// of the row.
template <class T, class Start, class End>
INLINE void multiply_row(const RowEntries& row, const float* weight, Tile<const T> input, Start start,
                         End finish) {
  for (int round = 0; round < ROUNDS; ++round) {
    const Tile<const T> from{input.data + round * BLOCK * WIDTH, input.stride};
    Vector sum[BLOCK];
    for (int i = 0; i < BLOCK; ++i) sum[i] = start(round * BLOCK + i);
    for (uint32_t k = row.begin; k < row.end; ++k) {
      const T* p = from.feature(row.column[k]);
      if constexpr (sizeof(T) == 1) __builtin_prefetch(from.feature(row.column[k + 8]));
      const Vector w = splat(weight[k]);
      for (int i = 0; i < BLOCK; ++i) sum[i] += w * load(p + i * WIDTH);
    }
    for (int i = 0; i < BLOCK; ++i) finish(round * BLOCK + i, sum[i]);
  }
}

template <class T>
void forward(const SparseMatrix& matrix, Range rows, Tile<const T> input, Tile<float> output,
             const Epilogue& epilogue) {
  const SparseRows& pattern = matrix.pattern;
  const SampleMask mask(epilogue.valid);
  const Activation activation{epilogue.relu, mask};
  prefetch(input, pattern.live_columns);
  for (Index first = rows.begin; first < rows.end; first += WIDTH) {
    const int count = first + WIDTH < rows.end ? WIDTH : rows.end - first;
    for (Index r = first; r < first + count; ++r) {
      const float bias = epilogue.bias[r];
      float* to = output.feature(r);
      multiply_row(
          {pattern.column, pattern.begin[r], pattern.live_end[r]}, matrix.weight, input,
          [&](int) { return splat(bias); },
          [&](int i, Vector v) { store(to + i * WIDTH, activation(v, i)); });
    }
    if (epilogue.statistics.mean)
      row_statistics(output.from(first), count, mask, epilogue.statistics.from(first));
  }
}

// Does the epilogue of rows that are in memory already; change(sum, row) comes before the rest.
template <class F>
INLINE void finish(Index rows, Tile<float> output, const Epilogue& epilogue, F change) {
  const SampleMask mask(epilogue.valid);
  const Activation activation{epilogue.relu, mask};
  for (Index first = 0; first < rows; first += WIDTH) {
    const int count = first + WIDTH < rows ? WIDTH : rows - first;
    for (Index r = first; r < first + count; ++r)
      for (int i = 0; i < VECTORS; ++i) {
        float* p = output.feature(r) + i * WIDTH;
        store(p, activation(change(load(p), r), i));
      }
    if (epilogue.statistics.mean)
      row_statistics(output.from(first), count, mask, epilogue.statistics.from(first));
  }
}

void finish_rows(Index rows, Tile<float> output, const Epilogue& epilogue) {
  finish(rows, output, epilogue, [&](Vector v, Index r) { return v + splat(epilogue.bias[r]); });
}

// Returns the dot products of delta with N <= WIDTH columns. Each has a vector of partial sums, and these are
// reduced together by one transposition. All stay in registers: stores to a temporary would alias with the
// loads that follow.
template <int N, class T>
INLINE Vector dots(const Vector* delta, Tile<const T> input, const uint32_t* column) {
  Vector part[WIDTH];
#pragma GCC unroll 16
  for (int e = 0; e < N; ++e) {
    const T* p = input.feature(column[e]);
    Vector sum = multiply_add(delta[0], load(p), delta[1] * load(p + WIDTH));
#pragma GCC unroll 16
    for (int i = 2; i < VECTORS; ++i) sum += delta[i] * load(p + i * WIDTH);
    part[e] = sum;
  }
#pragma GCC unroll 16
  for (int e = N; e < WIDTH; ++e) part[e] = Vector{};
  return sums(part);
}

// Returns those of the last n < WIDTH entries of a row. They are computed in fours, where the first entry
// stands in for those that are not there.
template <class T>
INLINE Vector last_dots(const Vector* delta, Tile<const T> input, const uint32_t* column, int n) {
  constexpr int EIGHT = WIDTH < 8 ? WIDTH : 8, TWELVE = WIDTH < 12 ? WIDTH : 12;
  UintVector wanted;
  IntVector lane;
  std::memcpy(&wanted, column, sizeof wanted);
  for (int e = 0; e < WIDTH; ++e) lane[e] = e;
  wanted = lane < n ? wanted : UintVector{} + column[0];
  uint32_t own[WIDTH];
  std::memcpy(own, &wanted, sizeof own);
  Vector found;
  if (WIDTH == 4 || n <= 4)
    found = dots<4>(delta, input, own);
  else if (WIDTH == 8 || n <= 8)
    found = dots<EIGHT>(delta, input, own);
  else if (n <= 12)
    found = dots<TWELVE>(delta, input, own);
  else
    found = dots<WIDTH>(delta, input, own);
  return select(lane < n, found, Vector{});
}

// Adds delta . input[column[k]] to gradient[k] for the entries of a row. Entries up to `limit` belong to this
// call: the last vector may reach into the next row's, to which it adds 0.
template <class T>
INLINE void add_row_gradient(const Vector* delta, Tile<const T> input, const RowEntries& row, uint32_t limit,
                             float* gradient) {
  for (uint32_t k = row.begin; k < row.end; k += WIDTH) {
    const uint32_t* column = row.column + k;
    const Vector found = k + WIDTH <= row.end ? dots<WIDTH>(delta, input, column)
                                              : last_dots(delta, input, column, row.end - k);
    if (k + WIDTH <= limit) {
      Vector old;
      std::memcpy(&old, gradient + k, sizeof old);
      old += found;
      std::memcpy(gradient + k, &old, sizeof old);
    } else {
      for (uint32_t e = 0; k + e < row.end; ++e) gradient[k + e] += found[e];
    }
  }
}

template <class T>
void weight_gradient(const SparseRows& pattern, Range rows, Tile<const float> delta, Tile<const T> input,
                     const WeightGradient& gradient) {
  const uint32_t limit = pattern.begin[rows.end];
  prefetch(input, pattern.live_columns);
  for (Index r = rows.begin; r < rows.end; ++r) {
    Vector d[VECTORS], total{};
    for (int i = 0; i < VECTORS; ++i) total += d[i] = load(delta.feature(r) + i * WIDTH);
    gradient.row_sum[r] += sum(total);
    add_row_gradient(d, input, {pattern.column, pattern.begin[r], pattern.live_end[r]}, limit,
                     gradient.weight);
  }
}

// Widens a block of columns to floats in `scratch`, small enough for the first cache, from where all rows
// read it.
INLINE Tile<const float> widened(const ColumnBlocks& pattern, Index block, Tile<const int8_t> input,
                                 float* scratch) {
  const Index first = block * pattern.width,
              count = first + pattern.width < pattern.columns ? pattern.width : pattern.columns - first;
  const int8_t* from = input.feature(first);
  for (Index i = 0; i < count * VECTORS; ++i) store(scratch + i * WIDTH, load(from + i * WIDTH));
  return {scratch, TILE};
}

void forward_blocks(const BlockedMatrix& matrix, Tile<const int8_t> input, Tile<float> output,
                    const Epilogue& epilogue, float* scratch) {
  const ColumnBlocks& pattern = matrix.pattern;
  for (Index r = 0; r < pattern.rows; ++r)
    for (int i = 0; i < VECTORS; ++i) store(output.feature(r) + i * WIDTH, splat(epilogue.bias[r]));
  for (Index block = 0; block < pattern.count; ++block) {
    const Tile<const float> from = widened(pattern, block, input, scratch);
    for (uint32_t s = pattern.first[block]; s < pattern.first[block + 1]; ++s) {
      float* to = output.feature(pattern.row[s]);
      multiply_row(
          {pattern.column, pattern.begin[s], pattern.begin[s + 1]}, matrix.weight, from,
          [&](int i) { return load(to + i * WIDTH); }, [&](int i, Vector v) { store(to + i * WIDTH, v); });
    }
  }
  finish(pattern.rows, output, epilogue, [](Vector v, Index) { return v; });
}

void weight_gradient_blocks(const ColumnBlocks& pattern, Tile<const float> delta, Tile<const int8_t> input,
                            const WeightGradient& gradient, float* scratch) {
  for (Index r = 0; r < pattern.rows; ++r) {
    Vector total{};
    for (int i = 0; i < VECTORS; ++i) total += load(delta.feature(r) + i * WIDTH);
    gradient.row_sum[r] += sum(total);
  }
  const uint32_t limit = pattern.begin[pattern.first[pattern.count]];
  for (Index block = 0; block < pattern.count; ++block) {
    const Tile<const float> from = widened(pattern, block, input, scratch);
    for (uint32_t s = pattern.first[block]; s < pattern.first[block + 1]; ++s) {
      Vector d[VECTORS];
      for (int i = 0; i < VECTORS; ++i) d[i] = load(delta.feature(pattern.row[s]) + i * WIDTH);
      add_row_gradient(d, from, {pattern.column, pattern.begin[s], pattern.begin[s + 1]}, limit,
                       gradient.weight);
    }
  }
}

// Turns the products of one hidden unit into the gradient towards its sums, in place of its activations.
struct InputGradient {
  float* hidden;
  Vector mean, shift, slope;

  INLINE void operator()(int i, Vector product) const {
    const Vector value = load(hidden + i * WIDTH);
    const Vector gradient = product - shift - (value - mean) * slope;
    store(hidden + i * WIDTH, select(value > Vector{}, gradient, Vector{}));
  }
};

INLINE InputGradient input_gradient_of(float* hidden, const InputGradientTerms& terms, Index column) {
  return {hidden, splat(terms.mean[column]), splat(terms.shift[column]), splat(terms.slope[column])};
}

void input_gradient(const SparseMatrix& transposed, Range columns, Tile<const float> delta,
                    Tile<float> hidden, const InputGradientTerms& terms) {
  const SparseRows& pattern = transposed.pattern;
  prefetch(delta, pattern.live_columns);
  for (Index c = columns.begin; c < columns.end; ++c)
    multiply_row(
        {pattern.column, pattern.begin[c], pattern.live_end[c]}, transposed.weight, delta,
        [](int) { return Vector{}; }, input_gradient_of(hidden.feature(c), terms, c));
}

void finish_input_gradient(const float* product, float* hidden, const InputGradientTerms& terms,
                           Index column) {
  const InputGradient write = input_gradient_of(hidden, terms, column);
  for (int i = 0; i < VECTORS; ++i) write(i, load(product + i * WIDTH));
}

}  // namespace
}  // namespace prunescope
