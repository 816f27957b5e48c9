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

// Features f0 <= f < f1 of [n, batch] to and from tiles [tile][n][TILE], a whole row at a time: columns of a
// row-major array would touch a page each.
void into_tiles(const float* from, int f0, int f1, int n, long batch, float* tiles) {
  for (int f = f0; f < f1; ++f)
    for (long first = 0; first < batch; first += TILE) {
      const long valid = std::min<long>(TILE, batch - first);
      float* to = tiles + first * n + long(f) * TILE;
      std::copy_n(from + f * batch + first, valid, to);
      std::fill(to + valid, to + TILE, 0.0f);
    }
}

void out_of_tiles(const float* tiles, int f0, int f1, int n, long batch, float* to) {
  for (int f = f0; f < f1; ++f)
    for (long first = 0; first < batch; first += TILE)
      std::copy_n(tiles + first * n + long(f) * TILE, std::min<long>(TILE, batch - first),
                  to + f * batch + first);
}

void at_least(Buffer<float>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer = Buffer<float>(size);
}

}  // namespace

Layer::Layer(const Kernels& kernels, int threads, const uint8_t* mask, const float* weight, int n_out,
             int n_in)
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

template <class F>
void Layer::chunks(int n, F task) const {
  parallel(pieces(n, CHUNK), [&](int c) { task(c * CHUNK, std::min((c + 1) * CHUNK, n)); });
}

void Layer::forward(const float* x, long batch, float* y) {
  const int tiles = pieces(batch, TILE);
  batch_ = batch;
  const std::size_t in = std::size_t(n_in_) * TILE, out = std::size_t(n_out_) * TILE;
  at_least(x_, std::size_t(tiles) * in);
  at_least(y_, std::size_t(tiles) * out);
  chunks(n_in_, [&](int f0, int f1) { into_tiles(x, f0, f1, n_in_, batch, x_.get()); });
  parallel(tiles, [&](int t) {
    kernels_.forward_f32(pattern_.by_row(), weight_.get(), 0, n_out_, x_.get() + std::size_t(t) * in, TILE,
                         y_.get() + std::size_t(t) * out, TILE, zeros_.get(), false, TILE, nullptr, nullptr);
  });
  chunks(n_out_, [&](int f0, int f1) { out_of_tiles(y_.get(), f0, f1, n_out_, batch, y); });
}

void Layer::backward(const float* dy, float* dx, float* dw) {
  const int tiles = pieces(batch_, TILE);
  const std::size_t in = std::size_t(n_in_) * TILE, out = std::size_t(n_out_) * TILE;
  at_least(dy_, std::size_t(tiles) * out);
  at_least(dx_, std::size_t(tiles) * in);
  chunks(n_out_, [&](int f0, int f1) { into_tiles(dy, f0, f1, n_out_, batch_, dy_.get()); });
  parallel(tiles, [&](int t) {
    kernels_.forward_f32(pattern_.by_column(), t_weight_.get(), 0, n_in_, dy_.get() + std::size_t(t) * out,
                         TILE, dx_.get() + std::size_t(t) * in, TILE, zeros_.get(), false, TILE, nullptr,
                         nullptr);
  });
  chunks(n_in_, [&](int f0, int f1) { out_of_tiles(dx_.get(), f0, f1, n_in_, batch_, dx); });
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
