// The forward pass of a network: batch norm, folded weights, products and loss. See network.hpp.
#include <algorithm>
#include <cmath>

#include "network.hpp"

namespace prunescope {

void Network::batch_statistics(Index layer, Range columns, double* mean, double* variance) const {
  const Index live = maps_[layer].live_columns, count = columns.end - columns.begin;
  const double n = batch_;
  if (layer == 0 && has_bytes_) {
    int64_t sum[FEATURES] = {}, square[FEATURES] = {};
    for (Index t = 0; t < tiles_; ++t) {
      const Index place = t * live + columns.begin;
      const int32_t *s = byte_sum_.get() + place, *q = byte_squares_.get() + place;
      for (Index i = 0; i < count; ++i) sum[i] += s[i];
      for (Index i = 0; i < count; ++i) square[i] += q[i];
    }
    for (Index i = 0; i < count; ++i) {
      mean[i] = sum[i] / n;
      variance[i] = (batch_ * square[i] - sum[i] * sum[i]) / (n * n);
    }
    return;
  }
  const float* means = layer == 0 ? input_mean_.get() : maps_[layer - 1].tile_mean.get();
  const float* squares =
      layer == 0 ? input_squared_deviations_.get() : maps_[layer - 1].tile_squared_deviations.get();
  std::fill_n(mean, count, 0.0);
  std::fill_n(variance, count, 0.0);
  for (Index t = 0; t < tiles_; ++t) {
    const float* m = means + t * live + columns.begin;
    const double share = valid(t) / n;
    for (Index i = 0; i < count; ++i) mean[i] += m[i] * share;
  }
  for (Index t = 0; t < tiles_; ++t) {
    const float *m = means + t * live + columns.begin, *q = squares + t * live + columns.begin;
    const double samples = valid(t);
    for (Index i = 0; i < count; ++i)
      variance[i] += (q[i] + (m[i] - mean[i]) * (m[i] - mean[i]) * samples) / n;
  }
}

void Network::batch_norm(Index layer) {
  LinearMap& m = maps_[layer];
  const bool bytes = layer == 0 && has_bytes_;
  const double scale = layer == 0 ? input_scale_ : 1.0;
  const auto [epsilon, decay] = *settings_.norm;
  parallel(piece_count(m.n_columns(), FEATURES), [&](Index task) {
    const Range own = piece(m.n_columns(), FEATURES, task);
    double means[FEATURES], variances[FEATURES];
    if (own.begin < m.live_columns)
      batch_statistics(layer, {own.begin, std::min(own.end, m.live_columns)}, means, variances);
    for (Index c = own.begin; c < own.end; ++c) {
      m.norm_gamma[c] = m.gamma.value[c];
      m.norm_beta[c] = m.offset[c] = m.beta.value[c];
      m.mean[c] = m.inverse_deviation[c] = m.scale[c] = 0;
      if (c >= m.live_columns) continue;
      const double mean = means[c - own.begin], variance = variances[c - own.begin];
      const double shift = layer == 0 ? input_shift_[c] : 0.0f;
      const float input_mean = mean * scale + shift, input_variance = variance * scale * scale;
      const auto move = [&](float& average, float value) {
        average = steps_ ? average + (1 - decay) * (value - average) : value;
      };
      move(m.average_mean[c], input_mean);
      move(m.average_variance[c], input_variance);
      if (bytes && variance == 0) continue;  // exactly the mean in every sample: the normalised value is 0
      m.mean[c] = mean;
      m.inverse_deviation[c] = scale / std::sqrt(variance * scale * scale + epsilon);
      m.scale[c] = m.gamma.value[c] * m.inverse_deviation[c];
      if (!rounds(m)) m.offset[c] = m.beta.value[c] - m.scale[c] * m.mean[c];
    }
  });
}

void Network::no_norm(Index layer) {
  LinearMap& m = maps_[layer];
  for (Index c = 0; c < m.n_columns(); ++c) {
    m.inverse_deviation[c] = m.scale[c] = layer == 0 ? input_scale_ : 1.0f;
    m.offset[c] = m.norm_beta[c] = layer == 0 ? input_shift_[c] : 0.0f;
    m.norm_gamma[c] = 1;
  }
}

void Network::average_norm(Index layer) {
  LinearMap& m = maps_[layer];
  for (Index c = 0; c < m.n_columns(); ++c) {
    const double scale = layer == 0 ? input_scale_ : 1.0, shift = layer == 0 ? input_shift_[c] : 0.0;
    const double variance = m.average_variance[c];
    const double inverse = c < m.live_columns ? 1 / std::sqrt(variance + settings_.norm->epsilon) : 0;
    const double slope = m.gamma.value[c] * inverse;
    m.scale[c] = slope * scale;
    m.offset[c] = m.beta.value[c] + slope * (shift - m.average_mean[c]);
  }
}

void Network::fold(Index layer) {
  LinearMap& m = maps_[layer];
  const Affine norm{.scale = m.scale.get(), .offset = m.offset.get()};
  const FoldedMap folded{.weight = m.folded.get(), .bias = m.folded_bias.get()};
  const float *weight = m.weight.value.get(), *bias = m.bias.value.get();
  if (m.paired()) {
    fold_paired(m, norm);
    return;
  }
  const Index groups = std::min(GROUPS, m.n_rows());
  parallel(groups, [&](Index group) {
    const Range rows = part(m.n_rows(), groups, group);
    settings_.kernels->fold_dense({weight, m.pitch, m.n_rows(), m.pitch}, rows, norm, bias, folded);
  });
}

void Network::fold_paired(LinearMap& m, const Affine& norm) {
  const PairedMatrix matrix{m.pairs.view(), m.weight.value.get()};
  m.constant.clear();
  parallel(CHUNKS, [&](Index chunk) {
    const Range pieces = part(m.pairs.pieces(), CHUNKS, chunk);
    settings_.kernels->fold(matrix, pieces, norm, m.folded.get(), m.constant.get() + chunk * m.n_rows());
  });
  const ConstantEntries constants = m.constants();
  for (Index r = 0; r < m.n_rows(); ++r) {
    double total = m.bias.value[r];
    for (Index chunk = 0; chunk < CHUNKS; ++chunk) total += m.constant[chunk * m.n_rows() + r];
    for (Index k = constants.begin[r]; k < constants.begin[r + 1]; ++k)
      total += double(m.weight.value[constants.slot + k]) * norm.offset[constants.column[k]];
    m.folded_bias[r] = total;
  }
}

BatchEpilogue Network::epilogue(LinearMap& m, bool training) const {
  const bool wanted = training && !m.last && settings_.norm;
  return {
      .bias = m.folded_bias.get(),
      .relu = !m.last,
      .batch = batch_,
      .rows = m.n_rows(),
      .statistics = wanted ? Statistics{m.tile_mean.get(), m.tile_squared_deviations.get()} : Statistics{}};
}

void Network::forward(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  if (m.dense)
    forward_dense(layer, training);
  else if (m.thin)
    parallel(tiles_, [&](Index t) {
      settings_.kernels->forward_thin({m.folded.get(), m.pitch, m.n_rows(), m.live_columns},
                                      activations_[layer][t], activations_[layer + 1][t], m.folded_bias.get(),
                                      valid(t));
    });
  else
    forward_paired(layer, training);
}

void Network::forward_paired(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  const PairedMatrix matrix{m.pairs.view(), m.folded.get()};
  const BatchEpilogue last = epilogue(m, training);
  const Tiles<float> out = activations_[layer + 1];
  for_each_share(settings_.threads, m.pairs, m.choice, tiles_, [&](const Share& own) {
    if (layer == 0 && has_bytes_)
      settings_.kernels->forward_i8(matrix, own, byte_inputs(), out, last);
    else
      settings_.kernels->forward_f32(matrix, own, activations_[layer], out, last);
  });
}

double Network::loss(const int64_t* labels) {
  const Tiles<float> logits = activations_.back();
  std::vector<double> sums(tiles_, 0.0);
  parallel(tiles_, [&](Index t) {
    const LabelledLogits samples{logits[t], maps_.back().n_rows(), labels + t * TILE, valid(t)};
    sums[t] = settings_.kernels->cross_entropy(samples, 1.0f / batch_);
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total / batch_;
}

}  // namespace prunescope
