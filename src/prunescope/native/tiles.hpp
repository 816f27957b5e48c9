// Tiles in registers: their vectors, the mask of their valid samples, and the statistics of their rows.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace prunescope {
namespace {

constexpr int VECTORS = TILE / WIDTH;  // vectors of one feature's tile

// 1 for the valid samples of a tile, 0 for the padding of a batch's last tile.
struct SampleMask {
  alignas(64) float lane[TILE];
  Index valid;

  explicit SampleMask(Index valid_samples) : valid(valid_samples) {
    for (Index n = 0; n < TILE; ++n) lane[n] = n < valid ? 1.0f : 0.0f;
  }
};

// Writes the statistics of the first `count` <= WIDTH rows of a tile, in two passes, so that nothing cancels.
// The rows are reduced together by one transposition. Samples that are not valid must be 0.
INLINE void row_statistics(Tile<const float> rows, int count, const SampleMask& mask,
                           const Statistics& statistics) {
  Vector part[WIDTH];
  alignas(64) float mean[WIDTH];
  for (int e = 0; e < count; ++e) {
    const float* row = rows.feature(e);
    part[e] = load(row);
    for (int i = 1; i < VECTORS; ++i) part[e] += load(row + i * WIDTH);
  }
  for (int e = count; e < WIDTH; ++e) part[e] = Vector{};
  store(mean, sums(part) / splat(mask.valid));
  for (int e = 0; e < count; ++e) {
    const float* row = rows.feature(e);
    const Vector own_mean = splat(mean[e]);
    Vector square{};
    for (int i = 0; i < VECTORS; ++i) {
      Vector deviation = load(row + i * WIDTH) - own_mean;
      if (mask.valid < TILE) deviation = deviation * load(mask.lane + i * WIDTH);
      square += deviation * deviation;
    }
    part[e] = square;
  }
  for (int e = count; e < WIDTH; ++e) part[e] = Vector{};
  const Vector squares = sums(part);
  for (int e = 0; e < count; ++e) {
    statistics.mean[e] = mean[e];
    statistics.squared_deviations[e] = squares[e];
  }
}

// Writes those of two rows that are in registers; of the second one nothing where it has no place for them.
INLINE void register_statistics(const Vector* row, const Vector* other, const SampleMask& mask,
                                const Statistics& of_row, const Statistics& of_other) {
  Vector u = row[0], v = other[0];
  for (int i = 1; i < VECTORS; ++i) u += row[i], v += other[i];
  const Vector means = two_sums(u, v) / splat(mask.valid);
  const Vector mean = splat(means[0]), other_mean = splat(means[WIDTH / 2]);
  u = v = Vector{};
  for (int i = 0; i < VECTORS; ++i) {
    Vector deviation = row[i] - mean, other_deviation = other[i] - other_mean;
    if (mask.valid < TILE) {
      const Vector valid = load(mask.lane + i * WIDTH);
      deviation = deviation * valid, other_deviation = other_deviation * valid;
    }
    u += deviation * deviation, v += other_deviation * other_deviation;
  }
  const Vector squares = two_sums(u, v);
  *of_row.mean = means[0];
  *of_row.squared_deviations = squares[0];
  if (of_other.mean) {
    *of_other.mean = means[WIDTH / 2];
    *of_other.squared_deviations = squares[WIDTH / 2];
  }
}

// The last step of an epilogue, for one vector of a row of sums.
struct Activation {
  bool relu;
  const SampleMask& mask;

  INLINE Vector operator()(Vector v, int i) const {
    if (relu) v = rectified(v);
    return mask.valid == TILE ? v : select(load(mask.lane + i * WIDTH) > Vector{}, v, Vector{});
  }
};

}  // namespace
}  // namespace prunescope
