// Tiles in registers: padding, mean and spread. See kernels.hpp; included by kernels.cpp, once for each
// instruction set.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace prunescope {
namespace {

constexpr int VECTORS = TILE / W;                 // of one feature's tile
constexpr int BLOCK = VECTORS < 8 ? VECTORS : 8;  // of them in registers at a time
constexpr int ROUNDS = VECTORS / BLOCK;
constexpr auto LANES = std::make_index_sequence<W>{};

// 1 for valid samples, 0 for the padding of the last tile.
struct Valid {
  alignas(64) float lane[TILE];
  explicit Valid(int valid) {
    for (int n = 0; n < TILE; ++n) lane[n] = n < valid ? 1.0f : 0.0f;
  }
};

// Mean and sum of squared deviations of n <= W rows, `stride` apart: two passes, so nothing cancels.
// Rows are reduced together by one transposition; samples from `valid` on are 0.
INLINE void spread(const float* row, long stride, int n, const Valid& lanes, int valid, float* mean,
                   float* squares) {
  V part[W];
  alignas(64) float middle[W];
  for (int e = 0; e < n; ++e) {
    part[e] = load(row + e * stride);
    for (int i = 1; i < VECTORS; ++i) part[e] += load(row + e * stride + i * W);
  }
  for (int e = n; e < W; ++e) part[e] = V{};
  store(middle, sums(part) / splat(float(valid)));
  for (int e = 0; e < n; ++e) {
    V square{};
    const V m = splat(middle[e]);
    for (int i = 0; i < VECTORS; ++i) {
      V d = load(row + e * stride + i * W) - m;
      if (valid < TILE) d = d * load(lanes.lane + i * W);
      square += d * d;
    }
    part[e] = square;
  }
  for (int e = n; e < W; ++e) part[e] = V{};
  const V all = sums(part);
  for (int e = 0; e < n; ++e) {
    mean[e] = middle[e];
    squares[e] = all[e];
  }
}

}  // namespace
}  // namespace prunescope
