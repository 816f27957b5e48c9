// See layer.hpp.
#include "layer.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "pieces.hpp"

namespace prunescope {
namespace {

std::vector<int> all(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Tile t of [n, batch] as [n][TILE]; samples that are not there are 0.
void into_tile(const float* from, int n, long batch, int t, float* tile) {
  const long first = long(t) * TILE, valid = std::min<long>(TILE, batch - first);
  for (int f = 0; f < n; ++f) {
    std::copy_n(from + f * batch + first, valid, tile + long(f) * TILE);
    std::fill(tile + long(f) * TILE + valid, tile + long(f + 1) * TILE, 0.0f);
  }
}

void out_of_tile(const float* tile, int n, long batch, int t, float* to) {
  const long first = long(t) * TILE, valid = std::min<long>(TILE, batch - first);
  for (int f = 0; f < n; ++f) std::copy_n(tile + long(f) * TILE, valid, to + f * batch + first);
}

}  // namespace

Layer::Layer(const Kernels& kernels, int threads, const uint8_t* mask, const float* weight, int n_out, int n_in)
    : kernels_(kernels),
      threads_(threads),
      n_out_(n_out),
      n_in_(n_in),
      pattern_(mask, n_in, all(n_out), all(n_in), n_in),
      zeros_(std::size_t(std::max(n_out, n_in))) {
  pattern_.transpose();
  weight_ = Buffer<float>(pattern_.entries());
  t_weight_ = Buffer<float>(pattern_.entries());
  for (int r = 0; r < n_out; ++r)
    for (uint32_t k = pattern_.begin[std::size_t(r)]; k < pattern_.begin[std::size_t(r) + 1]; ++k)
      weight_[k] = weight[long(r) * n_in + pattern_.column[k]];
  for (std::size_t k = 0; k < pattern_.source.size(); ++k) t_weight_[k] = weight_[pattern_.source[k]];
}

template <class F>
void Layer::parallel(int n, F task) const {
#if defined(_OPENMP)
#pragma omp parallel for num_threads(threads_) schedule(dynamic, 1)
#endif
  for (int i = 0; i < n; ++i) task(i);
}

void Layer::forward(const float* x, long batch, float* y) {
  const int tiles = pieces(batch, TILE);
  batch_ = batch;
  const std::size_t in = std::size_t(n_in_) * TILE;
  if (x_.size() < std::size_t(tiles) * in) x_ = Buffer<float>(std::size_t(tiles) * in);
  parallel(tiles, [&](int t) {
    Buffer<float> out(std::size_t(n_out_) * TILE);
    float* tile = x_.get() + std::size_t(t) * in;
    into_tile(x, n_in_, batch, t, tile);
    kernels_.forward_f32(pattern_.by_row(), weight_.get(), 0, n_out_, tile, TILE, out.get(), TILE, zeros_.get(), false,
                         TILE, nullptr, nullptr);
    out_of_tile(out.get(), n_out_, batch, t, y);
  });
}

void Layer::backward(const float* dy, float* dx, float* dw) {
  const int tiles = pieces(batch_, TILE);
  const std::size_t in = std::size_t(n_in_) * TILE, out = std::size_t(n_out_) * TILE;
  if (dy_.size() < std::size_t(tiles) * out) dy_ = Buffer<float>(std::size_t(tiles) * out);
  parallel(tiles, [&](int t) {
    Buffer<float> product(in);
    float* tile = dy_.get() + std::size_t(t) * out;
    into_tile(dy, n_out_, batch_, t, tile);
    kernels_.forward_f32(pattern_.by_column(), t_weight_.get(), 0, n_in_, tile, TILE, product.get(), TILE, zeros_.get(),
                         false, TILE, nullptr, nullptr);
    out_of_tile(product.get(), n_in_, batch_, t, dx);
  });
  std::fill_n(dw, pattern_.entries(), 0.0f);
  Buffer<float> sum(static_cast<std::size_t>(n_out_));
  const int parts = std::min(n_out_, threads_);
  parallel(parts, [&](int part) {
    const int r0 = int(long(n_out_) * part / parts), r1 = int(long(n_out_) * (part + 1) / parts);
    for (int t = 0; t < tiles; ++t)
      kernels_.weights_f32(pattern_.by_row(), r0, r1, dy_.get() + std::size_t(t) * out, TILE,
                           x_.get() + std::size_t(t) * in, TILE, dw, sum.get());
  });
}

}  // namespace prunescope
