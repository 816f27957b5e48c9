// Products of kept weights: forward, weight gradient, input gradient. See kernels.hpp; included by
// kernels.cpp, once for each instruction set.
#pragma once

#include <cstring>

#include "tiles.hpp"

namespace prunescope {
namespace {

// What a hidden unit's sums become: rectified, and 0 in the padding.
struct Finish {
  bool relu, whole;
  const Valid& lanes;
  INLINE V operator()(V v, int i) const {
    if (relu) v = rectified(v);
    return whole ? v : select(load(lanes.lane + i * W) > V{}, v, V{});
  }
};

// Asks for a whole tile in order, before rows read it at random: it comes from a cache further out, and only
// neighbours are fetched ahead by themselves.
template <class T>
INLINE void fetch(const T* x, long xs, int n) {
  constexpr long line = 64 / sizeof(T);
  for (int c = 0; c < n; ++c)
    for (long i = 0; i < TILE; i += line) __builtin_prefetch(x + c * xs + i, 0, 2);
}

// Entries begin <= k < end of one row times 64 samples, added to start(i), handed to finish(i, sum).
template <class T, class Start, class End>
INLINE void row_times_tile(const uint32_t* column, const float* weight, uint32_t begin, uint32_t end,
                           const T* x, long xs, Start start, End finish) {
  for (int round = 0; round < ROUNDS; ++round) {
    const T* from = x + round * BLOCK * W;
    V acc[BLOCK];
    for (int i = 0; i < BLOCK; ++i) acc[i] = start(round * BLOCK + i);
    for (uint32_t k = begin; k < end; ++k) {
      const T* p = from + column[k] * xs;
      if constexpr (sizeof(T) == 1) __builtin_prefetch(from + column[k + 8] * xs);
      const V w = splat(weight[k]);
      for (int i = 0; i < BLOCK; ++i) acc[i] += w * load(p + i * W);
    }
    for (int i = 0; i < BLOCK; ++i) finish(round * BLOCK + i, acc[i]);
  }
}

template <class T>
void forward(const Rows& a, const float* weight, int r0, int r1, const T* x, long xs, float* out, long os,
             const float* bias, bool relu, int valid, float* mean, float* squares) {
  const Valid lanes(valid);
  const Finish finished{relu, valid == TILE, lanes};
  fetch(x, xs, a.columns);
  for (int r = r0; r < r1; r += W) {
    const int n = r + W < r1 ? W : r1 - r;
    for (int e = r; e < r + n; ++e)
      row_times_tile(
          a.column, weight, a.begin[e], a.live_end[e], x, xs, [&](int) { return splat(bias[e]); },
          [&](int i, V v) { store(out + e * os + i * W, finished(v, i)); });
    if (mean) spread(out + r * os, os, n, lanes, valid, mean + r, squares + r);
  }
}

// The epilogue of n rows that are in memory already; change(sum, row) comes first.
template <class F>
INLINE void finish_all(int n, float* out, long os, bool relu, int valid, float* mean, float* squares,
                       F change) {
  const Valid lanes(valid);
  const Finish finished{relu, valid == TILE, lanes};
  for (int r = 0; r < n; r += W) {
    const int rows = r + W < n ? W : n - r;
    for (int e = r; e < r + rows; ++e)
      for (int i = 0; i < VECTORS; ++i) {
        float* p = out + e * os + i * W;
        store(p, finished(change(load(p), e), i));
      }
    if (mean) spread(out + r * os, os, rows, lanes, valid, mean + r, squares + r);
  }
}

void finish_rows(int n, float* out, long os, const float* bias, bool relu, int valid, float* mean,
                 float* squares) {
  finish_all(n, out, os, relu, valid, mean, squares, [&](V v, int e) { return v + splat(bias[e]); });
}

// N <= W entries: each has a vector of partial sums, reduced together by one transposition. All stay in
// registers: stores to a temporary would alias with the loads that follow.
template <int N, class T>
INLINE V dots(const V* d, const T* x, long xs, const uint32_t* column) {
  V part[W];
#pragma GCC unroll 16
  for (int e = 0; e < N; ++e) {
    const T* p = x + column[e] * xs;
    V acc = d[0] * load(p);
#pragma GCC unroll 16
    for (int i = 1; i < VECTORS; ++i) acc += d[i] * load(p + i * W);
    part[e] = acc;
  }
#pragma GCC unroll 16
  for (int e = N; e < W; ++e) part[e] = V{};
  return sums(part);
}

// The last n < W entries of a row, in fours: the first stands in for those that are not there.
template <class T>
INLINE V last_dots(const V* d, const T* x, long xs, const uint32_t* column, int n) {
  U wanted;
  I lane;
  std::memcpy(&wanted, column, sizeof wanted);
  for (int e = 0; e < W; ++e) lane[e] = e;
  wanted = lane < n ? wanted : U{} + column[0];
  uint32_t own[W];
  std::memcpy(own, &wanted, sizeof own);
  constexpr int EIGHT = W < 8 ? W : 8, TWELVE = W < 12 ? W : 12;
  V found;
  if (W == 4 || n <= 4)
    found = dots<4>(d, x, xs, own);
  else if (W == 8 || n <= 8)
    found = dots<EIGHT>(d, x, xs, own);
  else if (n <= 12)
    found = dots<TWELVE>(d, x, xs, own);
  else
    found = dots<W>(d, x, xs, own);
  return select(lane < n, found, V{});
}

// gradient[k] += delta . x[column[k]] for begin <= k < end. Entries up to `limit` belong to this call: the
// last vector may reach into the next row's, to which it adds 0.
template <class T>
INLINE void row_dots(const V* d, const T* x, long xs, const uint32_t* column, uint32_t begin, uint32_t end,
                     uint32_t limit, float* gradient) {
  for (uint32_t k = begin; k < end; k += W) {
    const V found =
        k + W <= end ? dots<W>(d, x, xs, column + k) : last_dots(d, x, xs, column + k, int(end - k));
    if (k + W <= limit) {
      V old;
      std::memcpy(&old, gradient + k, sizeof old);
      old += found;
      std::memcpy(gradient + k, &old, sizeof old);
    } else {
      for (uint32_t e = 0; k + e < end; ++e) gradient[k + e] += found[e];
    }
  }
}

template <class T>
void weights(const Rows& a, int r0, int r1, const float* delta, long ds, const T* x, long xs, float* gradient,
             float* total) {
  const uint32_t limit = a.begin[r1];
  fetch(x, xs, a.columns);
  for (int r = r0; r < r1; ++r) {
    V d[VECTORS], all{};
    for (int i = 0; i < VECTORS; ++i) all += d[i] = load(delta + r * ds + i * W);
    total[r] += sum(all);
    row_dots(d, x, xs, a.column, a.begin[r], a.live_end[r], limit, gradient);
  }
}

// A block of columns is widened into `scratch`, small enough for the first cache, then read by all rows.
INLINE const float* widened(const Blocks& b, int block, const int8_t* x, float* scratch) {
  const int first = block * b.width, n = first + b.width < b.columns ? b.width : b.columns - first;
  for (int i = 0; i < n * VECTORS; ++i) store(scratch + i * W, load(x + long(first) * TILE + i * W));
  return scratch;
}

void forward_blocks(const Blocks& b, const float* weight, int rows, const int8_t* x, float* out, long os,
                    const float* bias, bool relu, int valid, float* mean, float* squares, float* scratch) {
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < VECTORS; ++i) store(out + r * os + i * W, splat(bias[r]));
  for (int block = 0; block < b.count; ++block) {
    const float* from = widened(b, block, x, scratch);
    for (uint32_t s = b.first[block]; s < b.first[block + 1]; ++s) {
      float* to = out + b.row[s] * os;
      row_times_tile(
          b.column, weight, b.begin[s], b.begin[s + 1], from, TILE, [&](int i) { return load(to + i * W); },
          [&](int i, V v) { store(to + i * W, v); });
    }
  }
  finish_all(rows, out, os, relu, valid, mean, squares, [](V v, int) { return v; });
}

void weights_blocks(const Blocks& b, int rows, const float* delta, long ds, const int8_t* x, float* gradient,
                    float* total, float* scratch) {
  for (int r = 0; r < rows; ++r) {
    V all{};
    for (int i = 0; i < VECTORS; ++i) all += load(delta + r * ds + i * W);
    total[r] += sum(all);
  }
  const uint32_t limit = b.begin[b.first[b.count]];
  for (int block = 0; block < b.count; ++block) {
    const float* from = widened(b, block, x, scratch);
    for (uint32_t s = b.first[block]; s < b.first[block + 1]; ++s) {
      V d[VECTORS];
      for (int i = 0; i < VECTORS; ++i) d[i] = load(delta + b.row[s] * ds + i * W);
      row_dots(d, from, TILE, b.column, b.begin[s], b.begin[s + 1], limit, gradient);
    }
  }
}

struct Towards {
  float* h;
  V mean, shift, slope;
  INLINE void operator()(int i, V product) const {
    const V value = load(h + i * W);
    store(h + i * W, select(value > V{}, product - shift - (value - mean) * slope, V{}));
  }
};

void inputs(const Rows& a, const float* weight, int c0, int c1, const float* delta, long ds, float* h,
            long hs, const float* mean, const float* shift, const float* slope) {
  fetch(delta, ds, a.columns);
  for (int c = c0; c < c1; ++c)
    row_times_tile(
        a.column, weight, a.begin[c], a.live_end[c], delta, ds, [](int) { return V{}; },
        Towards{h + c * hs, splat(mean[c]), splat(shift[c]), splat(slope[c])});
}

void finish_inputs(const float* d, float* h, float mean, float shift, float slope) {
  const Towards finish{h, splat(mean), splat(shift), splat(slope)};
  for (int i = 0; i < VECTORS; ++i) finish(i, load(d + i * W));
}

}  // namespace
}  // namespace prunescope
