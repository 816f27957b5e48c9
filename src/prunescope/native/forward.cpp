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
  const Index groups = std::min(GROUPS, m.n_rows());
  parallel(groups, [&](Index group) {
    const Range rows = part(m.n_rows(), groups, group);
    if (m.dense)
      settings_.kernels->fold_dense({weight, m.pitch, m.n_rows(), m.pitch}, rows, norm, bias, folded);
    else
      settings_.kernels->fold({m.pattern.by_row(), weight}, rows, norm, bias, folded);
  });
}

Index Network::row_parts(Index rows) const {
  return std::max<Index>(1, std::min(rows / 32, piece_count(4 * settings_.threads, tiles_)));
}

Epilogue Network::epilogue(LinearMap& m, Index tile, bool training) const {
  const bool wanted = training && !m.last && settings_.norm;
  const Statistics statistics{m.tile_mean.get(), m.tile_squared_deviations.get()};
  return {.bias = m.folded_bias.get(),
          .relu = !m.last,
          .valid = valid(tile),
          .statistics = wanted ? statistics.from(tile * m.n_rows()) : Statistics{}};
}

void Network::forward(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  if (m.dense)
    forward_dense(layer, training);
  else if (by_blocks(layer))
    forward_blocks(layer, training);
  else if (m.thin)
    parallel(tiles_, [&](Index t) {
      settings_.kernels->forward_thin({m.folded.get(), m.n_columns(), m.n_rows(), m.live_columns},
                                      activations_[layer][t], activations_[layer + 1][t], m.folded_bias.get(),
                                      valid(t));
    });
  else
    forward_rows(layer, training);
}

void Network::forward_blocks(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  const std::vector<uint32_t>& source = m.pattern.block_source;
  parallel(piece_count(std::ssize(source), SPARSE_ENTRIES), [&](Index task) {
    const auto [begin, end] = piece(std::ssize(source), SPARSE_ENTRIES, task);
    for (Index k = begin; k < end; ++k) m.block_weight[k] = m.folded[source[k]];
  });
  const BlockedMatrix matrix{m.pattern.blocks(), m.block_weight.get()};
  parallel(tiles_, [&](Index t) {
    alignas(64) float scratch[BLOCK_WIDTH * TILE];
    settings_.kernels->forward_blocks(matrix, byte_inputs(t), activations_[layer + 1][t],
                                      epilogue(m, t, training), scratch);
  });
}

void Network::forward_rows(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  const SparseMatrix matrix = m.folded_matrix();
  const Index parts = row_parts(m.n_rows());
  parallel(tiles_ * parts, [&](Index task) {
    const Index t = task / parts;
    const Range rows = part(m.n_rows(), parts, task % parts);
    const Tile<float> out = activations_[layer + 1][t];
    if (layer == 0 && has_bytes_)
      settings_.kernels->forward_i8(matrix, rows, byte_inputs(t), out, epilogue(m, t, training));
    else
      settings_.kernels->forward_f32(matrix, rows, activations_[layer][t], out, epilogue(m, t, training));
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
