// The products of a single sparse linear map. See layer.hpp.
#include "layer.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "parallel.hpp"

namespace prunescope {
namespace {

std::vector<int32_t> all(Index n) {
  std::vector<int32_t> numbers(n);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

Layer::Layer(const Kernels& kernels, int threads, const MaskView& mask, const float* weight)
    : kernels_(kernels),
      threads_(threads),
      n_out_(mask.rows),
      n_in_(mask.columns),
      pattern_(mask, all(n_out_), all(n_in_), n_in_),
      zeros_(std::max(n_out_, n_in_)) {
  pattern_.transpose();
  weight_ = Buffer<float>(pattern_.entries());
  transposed_weight_ = Buffer<float>(pattern_.entries());
  for (Index r = 0; r < n_out_; ++r)
    for (uint32_t k = pattern_.begin[r]; k < pattern_.begin[r + 1]; ++k)
      weight_[k] = weight[r * n_in_ + pattern_.column[k]];
  for (Index k = 0; k < pattern_.entries(); ++k)
    transposed_weight_[k] = weight_[pattern_.transposed_source[k]];
}

// A whole row is copied at a time: columns of a row-major array would touch a page each.
void Layer::into_tiles(const float* from, Index features, Tiles<float> tiles) const {
  parallel_for(threads_, piece_count(features, FEATURES), [&](Index task) {
    const Range own = piece(features, FEATURES, task);
    for (Index f = own.begin; f < own.end; ++f)
      for (Index t = 0; t * TILE < batch_; ++t) {
        const Index valid = std::min(TILE, batch_ - t * TILE);
        float* to = tiles[t].feature(f);
        std::copy_n(from + f * batch_ + t * TILE, valid, to);
        std::fill(to + valid, to + TILE, 0.0f);
      }
  });
}

void Layer::out_of_tiles(Tiles<const float> tiles, Index features, float* to) const {
  parallel_for(threads_, piece_count(features, FEATURES), [&](Index task) {
    const Range own = piece(features, FEATURES, task);
    for (Index f = own.begin; f < own.end; ++f)
      for (Index t = 0; t * TILE < batch_; ++t)
        std::copy_n(tiles[t].feature(f), std::min(TILE, batch_ - t * TILE), to + f * batch_ + t * TILE);
  });
}

void Layer::forward(const float* x, Index batch, float* y) {
  batch_ = batch;
  const Index tiles = piece_count(batch_, TILE);
  x_.reserve(tiles * n_in_ * TILE);
  y_.reserve(tiles * n_out_ * TILE);
  const Tiles<float> in = inputs(x_), out = outputs(y_);
  into_tiles(x, n_in_, in);
  const SparseMatrix matrix{pattern_.by_row(), weight_.get()};
  const Epilogue epilogue{.bias = zeros_.get(), .relu = false, .valid = TILE, .statistics = {}};
  parallel_for(threads_, tiles,
               [&](Index t) { kernels_.forward_f32(matrix, {0, n_out_}, in[t], out[t], epilogue); });
  out_of_tiles(out, n_out_, y);
}

void Layer::backward(const float* dy, float* dx, float* dw) {
  const Index tiles = piece_count(batch_, TILE);
  dy_.reserve(tiles * n_out_ * TILE);
  dx_.reserve(tiles * n_in_ * TILE);
  const Tiles<float> in = inputs(x_), delta = outputs(dy_), gradient = inputs(dx_);
  into_tiles(dy, n_out_, delta);
  const SparseMatrix transposed{pattern_.by_column(), transposed_weight_.get()};
  const Epilogue epilogue{.bias = zeros_.get(), .relu = false, .valid = TILE, .statistics = {}};
  parallel_for(threads_, tiles, [&](Index t) {
    kernels_.forward_f32(transposed, {0, n_in_}, delta[t], gradient[t], epilogue);
  });
  out_of_tiles(gradient, n_in_, dx);
  std::fill_n(dw, pattern_.entries(), 0.0f);
  Buffer<float> row_sum(n_out_);
  const Index parts = std::min<Index>(n_out_, threads_);
  parallel_for(threads_, parts, [&](Index number) {
    const Range rows = part(n_out_, parts, number);
    for (Index t = 0; t < tiles; ++t)
      kernels_.weight_gradient_f32(pattern_.by_row(), rows, delta[t], in[t],
                                   {.weight = dw, .row_sum = row_sum.get()});
  });
}

}  // namespace prunescope
