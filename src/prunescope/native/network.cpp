// The step of a level as loops over maps, and the memory that the maps share. See network.hpp.
#include "network.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace prunescope {

UpdateFactors Optimizer::at_step(int64_t step) const {
  UpdateFactors factors{};
  factors.rule = rule;
  factors.rate = rate;
  factors.momentum = momentum;
  if (rule == Rule::adam) {
    factors.rate = rate / (1 - std::pow(beta1, step));
    factors.first_share = 1 - beta1;
    factors.second_decay = beta2;
    factors.second_share = 1 - beta2;
    factors.correction = 1 - std::pow(beta2, step);
    factors.epsilon = epsilon;
  }
  return factors;
}

void Network::add(LinearMapSpec spec) {
  maps_.emplace_back(std::move(spec), *settings_.kernels, settings_.optimizer.rule, settings_.threads);
}

void Network::finish(const float* mean, float divisor) {
  const LinearMap& first = maps_.front();
  byte_scale_ = 1 / divisor;
  pixels_.assign(first.columns.begin(), first.columns.begin() + first.live_columns);
  byte_shift_.clear();
  for (int32_t c : first.columns) byte_shift_.push_back((BYTE_OFFSET - mean[c]) / divisor);
}

void Network::reserve(Index batch, bool bytes) {
  batch_ = batch;
  tiles_ = piece_count(batch, TILE);
  input_scale_ = bytes ? byte_scale_ : 1.0f;
  input_shift_ = bytes ? byte_shift_ : std::vector<float>(byte_shift_.size(), 0.0f);
  if (batch <= capacity_ && bytes == has_bytes_) return;
  capacity_ = std::max({batch, capacity_, EVALUATED_IMAGES});
  has_bytes_ = bytes;
  const Index tiles = piece_count(capacity_, TILE), live = std::ssize(pixels_);
  // Where BLAS reads or writes, a feature's samples form one row, of an odd number of cache lines: that keeps
  // the features apart in the caches.
  const Index row = tiles * TILE + 16;
  activations_.clear();
  memory_.clear();
  for (Index l = 0; l <= n_maps(); ++l) {
    const bool top = l == n_maps();
    const Index features = top ? maps_.back().n_rows() : maps_[l].live_columns;
    const bool rows = (!top && maps_[l].dense) || (l > 0 && maps_[l - 1].dense);
    const bool needed = l > 0 || !bytes || maps_[0].dense;
    memory_.emplace_back(needed ? features * row : 0);
    activations_.push_back({.data = memory_.back().get(),
                            .stride = rows ? row : TILE,
                            .tile_stride = rows ? TILE : TILE * features});
  }
  bytes_ = Buffer<int8_t>(bytes ? live * tiles * TILE : 0);
  byte_sum_ = Buffer<int32_t>(bytes ? live * tiles : 0);
  byte_squares_ = Buffer<int32_t>(bytes ? live * tiles : 0);
  input_mean_ = Buffer<float>(bytes ? 0 : live * tiles);
  input_squared_deviations_ = Buffer<float>(bytes ? 0 : live * tiles);
  for (LinearMap& m : maps_) {
    m.tile_mean = Buffer<float>(m.n_rows() * tiles);
    m.tile_squared_deviations = Buffer<float>(m.n_rows() * tiles);
  }
}

template <class T>
void Network::gather(const ImagesView<T>& images, const int64_t* indices, Index first, bool statistics) {
  const Index live = std::ssize(pixels_);
  if (live == 0) return;
  const Index parts = std::max<Index>(1, std::min(live / 64, piece_count(4 * settings_.threads, tiles_)));
  parallel(tiles_ * parts, [&](Index task) {
    const Index t = task / parts;
    const auto [begin, end] = part(live, parts, task % parts);
    const T* rows[TILE];
    for (Index n = 0; n < valid(t); ++n) {
      const Index image = indices ? indices[t * TILE + n] : first + t * TILE + n;
      rows[n] = images.pixels + image * images.width;
    }
    const ImageRows<T> from{rows, valid(t), images.width};
    const PixelList pixels{pixels_.data() + begin, end - begin};
    const Index place = t * live + begin;
    const Tile<float> x = activations_[0][t];
    if constexpr (sizeof(T) == 1) {
      int8_t* to = bytes_.get() + place * TILE;
      const ByteSums sums{byte_sum_.get() + place, byte_squares_.get() + place};
      settings_.kernels->gather_u8(from, pixels, to, statistics ? sums : ByteSums{});
      if (maps_[0].dense && !(statistics && narrows()))  // else the bytes themselves are rounded
        settings_.kernels->widen(end - begin, to, x.from(begin));
    } else {
      const Statistics wanted{input_mean_.get() + place, input_squared_deviations_.get() + place};
      settings_.kernels->gather_f32(from, pixels, x.from(begin), statistics ? wanted : Statistics{});
    }
  });
}

namespace {

void check_width(Index width, const LinearMap& first) {
  if (width != first.n_in)
    throw std::invalid_argument("the images do not have the network's number of pixels");
}

void check_labels(const int64_t* labels, Index count, Index classes) {
  for (Index n = 0; n < count; ++n)
    if (labels[n] < 0 || labels[n] >= classes)
      throw std::out_of_range("label " + std::to_string(labels[n]) + " is not one of " +
                              std::to_string(classes) + " classes");
}

void check_indices(const int64_t* indices, Index size, Index images) {
  for (Index n = 0; n < size; ++n)
    if (indices[n] < 0 || indices[n] >= images)
      throw std::out_of_range("image " + std::to_string(indices[n]) + " of " + std::to_string(images));
}

}  // namespace

template <class T>
double Network::step(const ImagesView<T>& images, const BatchView& batch) {
  check_width(images.width, maps_.front());
  check_indices(batch.indices, batch.size, images.count);
  check_labels(batch.labels, batch.size, maps_.back().n_rows());
  reserve(batch.size, sizeof(T) == 1);
  gather(images, batch.indices, 0, true);
  for (Index i = 0; !has_bytes_ && i < tiles_ * std::ssize(pixels_); ++i)
    if (!std::isfinite(input_mean_[i]))
      throw std::invalid_argument("the images hold values that are not finite");
  for (Index l = 0; l < n_maps(); ++l) {
    settings_.norm ? batch_norm(l) : no_norm(l);
    fold(l);
    forward(l, true);
  }
  const double mean_loss = loss(batch.labels);
  ++steps_;
  for (Index l = n_maps() - 1; l >= 0; --l) backward(l);
  return mean_loss;
}

template <class T>
Scores Network::evaluate(const ImagesView<T>& images, const int64_t* labels, uint8_t* right) {
  check_width(images.width, maps_.front());
  check_labels(labels, images.count, maps_.back().n_rows());
  const Index length = std::max(capacity_, EVALUATED_IMAGES);
  Scores all;
  for (Index first = 0; first < images.count; first += length) {
    reserve(std::min(length, images.count - first), sizeof(T) == 1);
    if (first == 0)
      for (Index l = 0; l < n_maps(); ++l) {
        settings_.norm ? average_norm(l) : no_norm(l);
        fold(l);
      }
    gather(images, nullptr, first, false);
    for (Index l = 0; l < n_maps(); ++l) forward(l, false);
    std::vector<TileScore> scores(tiles_);
    const Tiles<float> logits = activations_.back();
    parallel(tiles_, [&](Index t) {
      const Index at = first + t * TILE;
      scores[t] =
          settings_.kernels->score({logits[t], maps_.back().n_rows(), labels + at, valid(t)}, right + at);
    });
    for (const TileScore& score : scores) {
      all.correct5 += score.correct5;
      all.loss += score.loss;
    }
  }
  all.correct = std::count(right, right + images.count, 1);
  return all;
}

template double Network::step(const ImagesView<uint8_t>&, const BatchView&);
template double Network::step(const ImagesView<float>&, const BatchView&);
template Scores Network::evaluate(const ImagesView<uint8_t>&, const int64_t*, uint8_t*);
template Scores Network::evaluate(const ImagesView<float>&, const int64_t*, uint8_t*);

}  // namespace prunescope
