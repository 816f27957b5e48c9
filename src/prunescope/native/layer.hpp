// One sparse linear map on its own, between plain feature-major arrays: what the benchmark of a layer times.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "linear_map.hpp"

namespace prunescope {

class Layer {
 public:
  // `weight` is the whole array, in the shape of the mask. `choice` says how the products cut the matrix into
  // blocks, in place of what a network would choose.
  Layer(const Kernels& kernels, int threads, const MaskView& mask, const float* weight,
        const std::optional<BlockChoice>& choice);

  Index kept() const { return kept_; }
  Index n_out() const { return n_out_; }
  Index n_in() const { return n_in_; }
  Index batch() const { return batch_; }
  // Whether `backward` has followed the last `forward`.
  bool went_back() const { return went_back_; }

  // Computes y [n_out, batch] from x [n_in, batch], and keeps x for backward.
  void forward(const float* x, Index batch, float* y);
  // Computes dx [n_in, batch] and dw [kept] from dy [n_out, batch] and the last x.
  void backward(const float* dy, float* dx, float* dw);
  // Repeats the last products, and returns the least seconds of each, without the moves into tiles and back.
  std::array<double, 3> seconds(int repeats);

 private:
  Tiles<float> inputs(Buffer<float>& buffer) const { return {buffer.get(), TILE, n_in_ * TILE}; }
  Tiles<float> outputs(Buffer<float>& buffer) const { return {buffer.get(), TILE, n_out_ * TILE}; }
  // Rows that the products can write themselves: they begin at cache lines and hold whole tiles.
  bool whole(const float* array) const {
    return batch_ % TILE == 0 && reinterpret_cast<std::uintptr_t>(array) % 64 == 0;
  }
  Tiles<float> rows(float* array) const { return {array, batch_, TILE}; }
  // Copies `features` rows of `batch_` samples into tiles, or out of them.
  void into_tiles(const float* from, Index features, Tiles<float> tiles) const;
  void out_of_tiles(Tiles<const float> tiles, Index features, float* to) const;

  // The products, on what lies in tiles.
  void forward(Tiles<float> to);
  void input_gradient(Tiles<float> to);
  void weight_gradient();
  void multiply(const PairedRows& pairs, const BlockChoice& choice, const float* weight,
                Tiles<const float> from, Tiles<float> to) const;

  const Kernels& kernels_;
  int threads_;
  Index n_out_, n_in_, batch_ = 0;
  Index kept_;
  bool went_back_ = false;
  PairedRows pairs_, transposed_;
  BlockChoice choice_, turned_choice_;
  std::vector<uint32_t> order_;  // the slot of each kept weight, row by row
  Buffer<float> weight_, transposed_weight_, zeros_;
  Buffer<float> x_, y_, dy_, dx_;  // in tiles
  Buffer<float> dw_, row_sum_;     // one a slot, one a row
};

}  // namespace prunescope
