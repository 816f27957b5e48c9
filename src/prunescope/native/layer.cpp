// The products of a single sparse linear map. See layer.hpp.
#include "layer.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <vector>

namespace prunescope {
namespace {

std::vector<int32_t> all(Index n) {
  std::vector<int32_t> numbers(n);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

Layer::Layer(const Kernels& kernels, int threads, const MaskView& mask, const float* weight,
             const std::optional<BlockChoice>& choice)
    : kernels_(kernels),
      threads_(threads),
      n_out_(mask.rows),
      n_in_(mask.columns),
      zeros_(std::max(n_out_, n_in_)),
      row_sum_(n_out_) {
  const KeptBits bits(mask, all(n_out_), all(n_in_), threads), turned = bits.transposed(threads);
  kept_ = bits.entries();
  choice_ = choice ? *choice : block_choice(kernels, bits);
  turned_choice_ = choice ? *choice : block_choice(kernels, turned);
  pairs_ = PairedRows(bits, choice_.width, threads);
  transposed_ = PairedRows(turned, turned_choice_.width, threads);
  weight_ = Buffer<float>(pairs_.slots());
  transposed_weight_ = Buffer<float>(transposed_.slots());
  order_.resize(kept_);
  for (Index piece = 0; piece < pairs_.pieces(); ++piece)
    pairs_.for_each_entry(piece, [&](Index slot, Index r, Index c) {
      weight_[slot] = weight[r * n_in_ + c];
      order_[bits.number(r, c)] = slot;
    });
  for (Index piece = 0; piece < transposed_.pieces(); ++piece)
    transposed_.for_each_entry(
        piece, [&](Index slot, Index c, Index r) { transposed_weight_[slot] = weight[r * n_in_ + c]; });
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

void Layer::multiply(const PairedRows& pairs, const BlockChoice& choice, const float* weight,
                     Tiles<const float> from, Tiles<float> to) const {
  const PairedMatrix matrix{pairs.view(), weight};
  const BatchEpilogue epilogue{
      .bias = zeros_.get(), .relu = false, .batch = batch_, .rows = matrix.pairs.rows, .statistics = {}};
  for_each_share(threads_, pairs, choice, piece_count(batch_, TILE),
                 [&](const Share& own) { kernels_.forward_f32(matrix, own, from, to, epilogue); });
}

void Layer::forward(Tiles<float> to) { multiply(pairs_, choice_, weight_.get(), inputs(x_), to); }

void Layer::input_gradient(Tiles<float> to) {
  multiply(transposed_, turned_choice_, transposed_weight_.get(), outputs(dy_), to);
}

void Layer::weight_gradient() {
  const RowPairs pairs = pairs_.view();
  const Index parts = std::min<Index>(pairs.groups, threads_);
  parallel_for(threads_, parts, [&](Index number) {
    const Share own{.groups = part(pairs.groups, parts, number),
                    .tiles = {0, piece_count(batch_, TILE)},
                    .two_tiles = choice_.gradient_two_tiles,
                    .scratch = scratch_memory(scratch_size(pairs.width, 0))};
    kernels_.weight_gradient_f32(pairs, own, outputs(dy_), inputs(x_),
                                 {.weight = dw_.get(), .row_sum = row_sum_.get()});
  });
}

void Layer::forward(const float* x, Index batch, float* y) {
  batch_ = batch;
  went_back_ = false;
  const Index tiles = piece_count(batch_, TILE);
  x_.reserve(tiles * n_in_ * TILE);
  y_.reserve(tiles * n_out_ * TILE);
  into_tiles(x, n_in_, inputs(x_));
  if (whole(y)) {
    forward(rows(y));
  } else {
    forward(outputs(y_));
    out_of_tiles(outputs(y_), n_out_, y);
  }
}

void Layer::backward(const float* dy, float* dx, float* dw) {
  const Index tiles = piece_count(batch_, TILE);
  dy_.reserve(tiles * n_out_ * TILE);
  dx_.reserve(tiles * n_in_ * TILE);
  dw_.reserve(pairs_.slots());
  into_tiles(dy, n_out_, outputs(dy_));
  if (whole(dx)) {
    input_gradient(rows(dx));
  } else {
    input_gradient(inputs(dx_));
    out_of_tiles(inputs(dx_), n_in_, dx);
  }
  weight_gradient();
  for (Index k = 0; k < kept_; ++k) dw[k] = dw_[order_[k]];
  went_back_ = true;
}

std::array<double, 3> Layer::seconds(int repeats) {
  std::array<double, 3> least;
  least.fill(std::numeric_limits<double>::infinity());
  const auto time = [&](int which, auto product) {
    const auto start = std::chrono::steady_clock::now();
    product();
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    least[which] = std::min(least[which], passed.count());
  };
  for (int n = 0; n < repeats; ++n) {
    time(0, [&] { forward(outputs(y_)); });
    time(1, [&] { weight_gradient(); });
    time(2, [&] { input_gradient(inputs(dx_)); });
  }
  return least;
}

}  // namespace prunescope
