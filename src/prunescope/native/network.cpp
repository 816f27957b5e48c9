// The step of a level, as loops over maps, and the layout of what they share. See network.hpp.
#include "network.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "pieces.hpp"

namespace prunescope {

UpdateFactors Optimizer::at_step(int64_t step) const {
  UpdateFactors factors{.rule = rule, .rate = rate, .momentum = momentum};
  if (rule == Rule::adam) {
    factors.rate = float(double(rate) / (1 - std::pow(beta1, double(step))));
    factors.first_share = float(1 - beta1);
    factors.second_decay = float(beta2);
    factors.second_share = float(1 - beta2);
    factors.correction = float(1 - std::pow(beta2, double(step)));
    factors.epsilon = epsilon;
  }
  return factors;
}

void Network::add(const uint8_t* mask, int n_out, int n_in, std::vector<int> rows, std::vector<int> columns,
                  int n_live, std::vector<uint8_t> bias_kept, bool dense, bool last) {
  maps_.emplace_back(mask, n_out, n_in, std::move(rows), std::move(columns), n_live, std::move(bias_kept),
                     dense, maps_.empty(), last, s_.optimizer.rule);
}

void Network::finish(const float* mean, float divisor) {
  const Map& first = maps_.front();
  byte_scale_ = 1 / divisor;
  pixels_.assign(first.columns.begin(), first.columns.begin() + first.n_live);
  byte_shift_.clear();
  for (int c : first.columns) byte_shift_.push_back((BYTE_OFFSET - mean[c]) / divisor);
}

void Network::reserve(int batch, bool bytes) {
  batch_ = batch;
  tiles_ = pieces(batch, TILE);
  input_scale_ = bytes ? byte_scale_ : 1.0f;
  input_shift_ = bytes ? byte_shift_ : std::vector<float>(byte_shift_.size(), 0.0f);
  if (batch <= capacity_ && bytes == has_bytes_) return;
  capacity_ = std::max({batch, capacity_, EVALUATED});
  has_bytes_ = bytes;
  const long tiles = pieces(capacity_, TILE);
  const std::size_t live = pixels_.size();
  panels_.clear();
  memory_.clear();
  std::size_t widest = 0;
  for (std::size_t l = 0; l <= maps_.size(); ++l) {
    const bool top = l == maps_.size();
    const long features = top ? maps_.back().n_rows() : maps_[l].n_live;
    // BLAS wants whole rows; an odd number of cache lines keeps them apart in the caches
    const bool plain = (!top && maps_[l].dense) || (l > 0 && maps_[l - 1].dense);
    const bool needed = l > 0 || !bytes || maps_[0].dense;
    Panel p;
    p.stride = plain ? tiles * TILE + 16 : TILE;
    p.tile = plain ? TILE : TILE * features;
    memory_.emplace_back(needed ? std::size_t(features * (tiles * TILE + 16)) : 0);
    p.data = memory_.back().get();
    panels_.push_back(p);
    if (!top && l > 0 && maps_[l].dense) widest = std::max(widest, std::size_t(features * p.stride));
  }
  products_ = Buffer<float>(widest);
  bytes_ = Buffer<int8_t>(bytes ? live * std::size_t(tiles * TILE) : 0);
  byte_sum_ = Buffer<int32_t>(bytes ? live * std::size_t(tiles) : 0);
  byte_squares_ = Buffer<int32_t>(bytes ? live * std::size_t(tiles) : 0);
  input_mean_ = Buffer<float>(bytes ? 0 : live * std::size_t(tiles));
  input_squares_ = Buffer<float>(bytes ? 0 : live * std::size_t(tiles));
  for (Map& m : maps_) {
    m.tile_mean = Buffer<float>(m.rows.size() * std::size_t(tiles));
    m.tile_squares = Buffer<float>(m.rows.size() * std::size_t(tiles));
  }
}

template <class T>
void Network::gather(const T* pixels, int64_t width, const int64_t* indices, int64_t first, bool statistics) {
  const int live = int(pixels_.size());
  if (live == 0) return;
  const int chunks = std::max(1, std::min(live / 64, pieces(4 * s_.threads, tiles_)));
  const Panel x = panels_[0];
  parallel(tiles_ * chunks, [&](int task) {
    const int t = task / chunks, chunk = task % chunks;
    const long f0 = long(live) * chunk / chunks, f1 = long(live) * (chunk + 1) / chunks;
    const T* rows[TILE];
    for (int n = 0; n < valid(t); ++n) {
      const int64_t image = indices ? indices[t * TILE + n] : first + t * TILE + n;
      rows[n] = pixels + image * width;
    }
    const long place = long(t) * live + f0;
    if constexpr (sizeof(T) == 1) {
      int8_t* to = bytes_.get() + place * TILE;
      s_.kernels->gather_u8(rows, valid(t), int(width), pixels_.data() + f0, int(f1 - f0), to,
                            statistics ? byte_sum_.get() + place : nullptr, byte_squares_.get() + place);
      if (maps_[0].dense)
        for (long f = f0; f < f1; ++f) s_.kernels->widen(to + (f - f0) * TILE, x.at(t, f));
    } else {
      s_.kernels->gather_f32(rows, valid(t), pixels_.data() + f0, int(f1 - f0), x.at(t, f0), x.stride,
                             statistics ? input_mean_.get() + place : nullptr, input_squares_.get() + place);
    }
  });
}

void Network::backward(int layer) {
  weight_gradient(layer);
  update(layer);
  if (layer > 0) input_gradient(layer);
}

namespace {

void check_labels(const int64_t* labels, int64_t count, int classes) {
  for (int64_t n = 0; n < count; ++n)
    if (labels[n] < 0 || labels[n] >= classes)
      throw std::out_of_range("label " + std::to_string(labels[n]) + " is not one of " +
                              std::to_string(classes) + " classes");
}

}  // namespace

template <class T>
double Network::step(const T* pixels, int64_t count, int64_t width, const int64_t* indices,
                     const int64_t* labels, int batch) {
  if (width != maps_.front().n_in)
    throw std::invalid_argument("the images do not have the network's number of pixels");
  for (int n = 0; n < batch; ++n)
    if (indices[n] < 0 || indices[n] >= count)
      throw std::out_of_range("image " + std::to_string(indices[n]) + " of " + std::to_string(count));
  check_labels(labels, batch, maps_.back().n_rows());
  reserve(batch, sizeof(T) == 1);
  gather(pixels, width, indices, 0, true);
  for (std::size_t i = 0; !has_bytes_ && i < std::size_t(tiles_) * pixels_.size(); ++i)
    if (!std::isfinite(input_mean_[i]))
      throw std::invalid_argument("the images hold values that are not finite");
  const int layers = int(maps_.size());
  for (int l = 0; l < layers; ++l) {
    s_.norm ? batch_norm(l) : no_norm(l);
    fold(l);
    forward(l, true);
  }
  const double mean_loss = loss(labels);
  ++steps_;
  for (int l = layers - 1; l >= 0; --l) backward(l);
  return mean_loss;
}

template <class T>
Scores Network::evaluate(const T* pixels, int64_t count, int64_t width, const int64_t* labels,
                         uint8_t* right) {
  if (width != maps_.front().n_in)
    throw std::invalid_argument("the images do not have the network's number of pixels");
  check_labels(labels, count, maps_.back().n_rows());
  const int block = std::max(capacity_, EVALUATED);
  Scores all;
  for (int64_t first = 0; first < count; first += block) {
    reserve(int(std::min<int64_t>(block, count - first)), sizeof(T) == 1);
    if (first == 0)
      for (int l = 0; l < int(maps_.size()); ++l) {
        s_.norm ? average_norm(l) : no_norm(l);
        fold(l);
      }
    gather(pixels, width, static_cast<const int64_t*>(nullptr), first, false);
    for (int l = 0; l < int(maps_.size()); ++l) forward(l, false);
    std::vector<Scores> parts(static_cast<std::size_t>(tiles_));
    const Panel logits = panels_.back();
    parallel(tiles_, [&](int t) {
      Scores& part = parts[std::size_t(t)];
      const int64_t at = first + t * TILE;
      part.loss = s_.kernels->score(logits.at(t), logits.stride, maps_.back().n_rows(), labels + at, valid(t),
                                    right + at, &part.correct5);
      for (int n = 0; n < valid(t); ++n) part.correct += right[at + n];
    });
    for (const Scores& part : parts) {
      all.correct += part.correct;
      all.correct5 += part.correct5;
      all.loss += part.loss;
    }
  }
  return all;
}

template double Network::step(const uint8_t*, int64_t, int64_t, const int64_t*, const int64_t*, int);
template double Network::step(const float*, int64_t, int64_t, const int64_t*, const int64_t*, int);
template Scores Network::evaluate(const uint8_t*, int64_t, int64_t, const int64_t*, uint8_t*);
template Scores Network::evaluate(const float*, int64_t, int64_t, const int64_t*, uint8_t*);

}  // namespace prunescope
