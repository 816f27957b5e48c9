// The folding of batch norm into the weights and biases of the map behind it.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include "simd.hpp"
#include "streams.hpp"

namespace prunescope {
namespace {

// Products of one visit are added up as floats, the visits' sums as doubles.
void fold(const PairedMatrix& matrix, Range pieces, const Affine& norm, float* folded, double* constant) {
  const RowPairs& pairs = matrix.pairs;
  for (Index piece = pieces.begin; piece < pieces.end; ++piece) {
    const Index first = piece / pairs.groups * pairs.width;
    const float *scale = norm.scale + first, *offset = norm.offset + first;
    for_each_visit(pairs, piece, [&](const Visit& visit, auto*& column, Index& slot) {
      Vector total{};
      for_each_vector(visit, column, slot, [&](const Weights& own) {
        const Vector w = load_where(matrix.weight + own.slot, own.kept);
        store_where(folded + own.slot, own.kept, w * gather(scale, own.column));
        total += w * gather(offset, own.column);
      });
      const Vector sums = sums_by_turns(total);
      constant[visit.row[0]] += sums[0];
      if (visit.row[1] != NOBODY) constant[visit.row[1]] += sums[1];
    });
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
