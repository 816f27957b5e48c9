// The folding of batch norm into the weights and biases of the map behind it.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include "simd.hpp"

namespace prunescope {
namespace {

void fold(const SparseMatrix& matrix, Range rows, const Affine& norm, const float* bias,
          const FoldedMap& folded) {
  const SparseRows& pattern = matrix.pattern;
  for (Index r = rows.begin; r < rows.end; ++r) {
    double constant = bias[r];
    for (uint32_t k = pattern.begin[r]; k < pattern.begin[r + 1]; ++k) {
      const uint32_t c = pattern.column[k];
      folded.weight[k] = matrix.weight[k] * norm.scale[c];
      constant += double(matrix.weight[k]) * norm.offset[c];
    }
    folded.bias[r] = constant;
  }
}

// Products of a chunk of columns are added up as floats, the chunks' sums as doubles.
void fold_dense(const DenseMatrix& matrix, Range rows, const Affine& norm, const float* bias,
                const FoldedMap& folded) {
  constexpr Index CHUNK = 256;
  for (Index r = rows.begin; r < rows.end; ++r) {
    const float* weight = matrix.weight + r * matrix.pitch;
    float* to = folded.weight + r * matrix.pitch;
    double constant = bias[r];
    for (Index begin = 0; begin < matrix.columns; begin += CHUNK) {
      const Index end = begin + CHUNK < matrix.columns ? begin + CHUNK : matrix.columns;
      Vector total{};
      Index c = begin;
      for (; c + WIDTH <= end; c += WIDTH) {
        const Vector w = load(weight + c);
        store(to + c, w * load(norm.scale + c));
        total += w * load(norm.offset + c);
      }
      float rest = sum(total);
      for (; c < end; ++c) {
        to[c] = weight[c] * norm.scale[c];
        rest += weight[c] * norm.offset[c];
      }
      constant += rest;
    }
    folded.bias[r] = constant;
  }
}

}  // namespace
}  // namespace prunescope
