// The forward pass: batch norm, folded weights, products, loss. See network.hpp.
#include <algorithm>
#include <cmath>

#include "network.hpp"
#include "pieces.hpp"

namespace prunescope {

// Mean and biased variance over the batch of inputs c0 <= c < c1 (at most CHUNK of them, all of which vary).
void Network::moments(int layer, long c0, long c1, double* mean, double* variance) const {
  const long live = maps_[std::size_t(layer)].n_live, count = c1 - c0;
  const double n = batch_;
  if (layer == 0 && has_bytes_) {
    int64_t sum[CHUNK] = {}, square[CHUNK] = {};
    for (int t = 0; t < tiles_; ++t) {
      const int32_t *s = byte_sum_.get() + t * live + c0, *q = byte_squares_.get() + t * live + c0;
      for (long i = 0; i < count; ++i) sum[i] += s[i];
      for (long i = 0; i < count; ++i) square[i] += q[i];
    }
    for (long i = 0; i < count; ++i) {
      mean[i] = double(sum[i]) / n;
      variance[i] = double(int64_t(batch_) * square[i] - sum[i] * sum[i]) / (n * n);
    }
    return;
  }
  const Buffer<float>& means = layer == 0 ? input_mean_ : maps_[std::size_t(layer) - 1].tile_mean;
  const Buffer<float>& squares = layer == 0 ? input_squares_ : maps_[std::size_t(layer) - 1].tile_squares;
  std::fill_n(mean, count, 0.0);
  std::fill_n(variance, count, 0.0);
  for (int t = 0; t < tiles_; ++t) {
    const float* m = means.get() + t * live + c0;
    const double share = valid(t) / n;
    for (long i = 0; i < count; ++i) mean[i] += m[i] * share;
  }
  for (int t = 0; t < tiles_; ++t) {
    const float *m = means.get() + t * live + c0, *q = squares.get() + t * live + c0;
    const double of = valid(t);
    for (long i = 0; i < count; ++i) variance[i] += (q[i] + (m[i] - mean[i]) * (m[i] - mean[i]) * of) / n;
  }
}

// Batch statistics of a map's inputs, the moving averages, and the affine map that normalises.
void Network::batch_norm(int layer) {
  Map& m = maps_[std::size_t(layer)];
  const bool bytes = layer == 0 && has_bytes_;
  const double scale = layer == 0 ? input_scale_ : 1.0;
  parallel(pieces(m.n_columns(), CHUNK), [&](int task) {
    const long first = long(task) * CHUNK, end = std::min(first + CHUNK, long(m.n_columns()));
    double means[CHUNK], variances[CHUNK];
    if (first < m.n_live) moments(layer, first, std::min(end, long(m.n_live)), means, variances);
    for (long c = first; c < end; ++c) {
      const auto i = std::size_t(c);
      m.norm_gamma[i] = m.gamma.value[i];
      m.norm_beta[i] = m.offset[i] = m.beta.value[i];
      m.mean[i] = m.inverse[i] = m.scale[i] = 0;
      if (c >= m.n_live) continue;
      const double mean = means[c - first], variance = variances[c - first];
      const double shift = layer == 0 ? input_shift_[i] : 0.0f;
      const float average = float(mean * scale + shift), spread = float(variance * scale * scale);
      const auto move = [&](float& to, float value) {
        to = steps_ ? to + (1 - s_.norm->decay) * (value - to) : value;
      };
      move(m.average_mean[i], average);
      move(m.average_variance[i], spread);
      if (bytes && variance == 0) continue;  // exactly the mean in every sample: the normalised value is 0
      m.mean[i] = float(mean);
      m.inverse[i] = float(scale / std::sqrt(variance * scale * scale + s_.norm->epsilon));
      m.scale[i] = m.gamma.value[i] * m.inverse[i];
      if (!rounds(m)) m.offset[i] = m.beta.value[i] - m.scale[i] * m.mean[i];
    }
  });
}

// Without batch norm only the pixels have an affine map, the network's own.
void Network::no_norm(int layer) {
  Map& m = maps_[std::size_t(layer)];
  for (std::size_t i = 0; i < m.columns.size(); ++i) {
    m.inverse[i] = m.scale[i] = layer == 0 ? input_scale_ : 1.0f;
    m.offset[i] = m.norm_beta[i] = layer == 0 ? input_shift_[i] : 0.0f;
    m.norm_gamma[i] = 1;
  }
}

// The same affine map from the moving averages, for evaluation.
void Network::average_norm(int layer) {
  Map& m = maps_[std::size_t(layer)];
  for (int c = 0; c < m.n_columns(); ++c) {
    const auto i = std::size_t(c);
    const double scale = layer == 0 ? input_scale_ : 1.0, shift = layer == 0 ? input_shift_[i] : 0.0;
    const double inverse = c < m.n_live ? 1 / std::sqrt(double(m.average_variance[i]) + s_.norm->epsilon) : 0;
    const double slope = double(m.gamma.value[i]) * inverse;
    m.scale[i] = float(slope * scale);
    m.offset[i] = float(m.beta.value[i] + slope * (shift - m.average_mean[i]));
  }
}

void Network::fold(int layer) {
  Map& m = maps_[std::size_t(layer)];
  parallel(std::min(GROUPS, m.n_rows()), [&](int g) {
    const int groups = std::min(GROUPS, m.n_rows());
    const int r0 = m.n_rows() * g / groups, r1 = m.n_rows() * (g + 1) / groups;
    if (!m.dense) {
      s_.kernels->fold(m.pattern.by_row(), m.weight.value.get(), r0, r1, m.scale.get(), m.offset.get(),
                       m.bias.value.get(), m.folded.get(), m.folded_bias.get());
      return;
    }
    for (int r = r0; r < r1; ++r)
      s_.kernels->fold_dense(m.weight.value.get() + r * m.pitch, int(m.pitch), m.scale.get(), m.offset.get(),
                             m.bias.value[std::size_t(r)], m.folded.get() + r * m.pitch,
                             m.folded_bias.get() + r);
  });
}

int Network::row_chunks(int rows) const {
  return std::max(1, std::min(rows / 32, pieces(4 * s_.threads, tiles_)));
}

const float* Network::rounded(const float* from, std::size_t size, Buffer<float>& to) {
  if (!s_.bf16) return from;
  if (to.size() < size) to = Buffer<float>(size);
  constexpr long piece = 1 << 16;
  parallel(pieces(long(size), piece), [&](int task) {
    const long begin = task * piece, n = std::min(piece, long(size) - begin);
    s_.kernels->round_bf16(from + begin, n, 0, to.get() + begin);
  });
  return to.get();
}

const float* Network::rounded_inputs(int layer) {
  const Map& m = maps_[std::size_t(layer)];
  const Panel x = panels_[std::size_t(layer)];
  if (!s_.bf16) return x.data;
  const std::size_t size = std::size_t(m.n_live * x.stride);
  if (rounded_a_.size() < size) rounded_a_ = Buffer<float>(size);
  parallel(m.n_live, [&](int c) {
    s_.kernels->round_bf16(x.at(0, c), batch_, m.mean[std::size_t(c)], rounded_a_.get() + c * x.stride);
  });
  return rounded_a_.get();
}

void Network::forward(int layer, bool statistics) {
  Map& m = maps_[std::size_t(layer)];
  const Panel x = panels_[std::size_t(layer)], out = panels_[std::size_t(layer) + 1];
  const int rows = m.n_rows();
  const bool count = statistics && !m.last && s_.norm.has_value(), relu = !m.last;
  const auto at = [&](Buffer<float>& values, int t) {
    return count ? values.get() + long(t) * rows : nullptr;
  };
  if (m.dense) {
    const float* a = statistics ? rounded_inputs(layer) : x.data;
    const float* w = statistics ? rounded(m.folded.get(), m.folded.size(), rounded_b_) : m.folded.get();
    const int across = pieces(batch_, DENSE_SAMPLES);
    parallel(across * pieces(rows, DENSE_ROWS), [&](int task) {
      const int n0 = task % across * DENSE_SAMPLES, n1 = std::min(n0 + DENSE_SAMPLES, batch_);
      const int r0 = task / across * DENSE_ROWS, r1 = std::min(r0 + DENSE_ROWS, rows);
      s_.blas.product('N', 'N', n1 - n0, r1 - r0, m.n_live, a + n0, int(x.stride), w + r0 * m.pitch,
                      int(m.pitch), out.data + n0 + r0 * out.stride, int(out.stride));
      for (int t = n0 / TILE; t * TILE < n1; ++t)
        s_.kernels->finish_rows(r1 - r0, out.at(t, r0), out.stride, m.folded_bias.get() + r0, relu, valid(t),
                                count ? at(m.tile_mean, t) + r0 : nullptr,
                                count ? at(m.tile_squares, t) + r0 : nullptr);
    });
    return;
  }
  if (by_blocks(layer)) {
    constexpr long piece = ENTRIES;
    const long entries = long(m.pattern.block_source.size());
    parallel(pieces(entries, piece), [&](int task) {
      for (long k = task * piece, end = std::min(k + piece, entries); k < end; ++k)
        m.block_weight[std::size_t(k)] = m.folded[m.pattern.block_source[std::size_t(k)]];
    });
    const Blocks blocks = m.pattern.blocks();
    parallel(tiles_, [&](int t) {
      alignas(64) float scratch[BLOCK_WIDTH * TILE];
      s_.kernels->forward_blocks(blocks, m.block_weight.get(), rows, bytes_.get() + long(t) * m.n_live * TILE,
                                 out.at(t), out.stride, m.folded_bias.get(), relu, valid(t),
                                 at(m.tile_mean, t), at(m.tile_squares, t), scratch);
    });
    return;
  }
  if (m.whole) {
    parallel(tiles_, [&](int t) {
      s_.kernels->forward_whole(m.folded.get(), m.n_columns(), rows, m.n_live, x.at(t), x.stride, out.at(t),
                                out.stride, m.folded_bias.get(), valid(t));
    });
    return;
  }
  const int chunks = row_chunks(rows);
  parallel(tiles_ * chunks, [&](int task) {
    const int t = task / chunks, chunk = task % chunks;
    const int r0 = int(long(rows) * chunk / chunks), r1 = int(long(rows) * (chunk + 1) / chunks);
    if (layer == 0 && has_bytes_)
      s_.kernels->forward_i8(m.pattern.by_row(), m.folded.get(), r0, r1,
                             bytes_.get() + long(t) * m.n_live * TILE, TILE, out.at(t), out.stride,
                             m.folded_bias.get(), relu, valid(t), at(m.tile_mean, t), at(m.tile_squares, t));
    else
      s_.kernels->forward_f32(m.pattern.by_row(), m.folded.get(), r0, r1, x.at(t), x.stride, out.at(t),
                              out.stride, m.folded_bias.get(), relu, valid(t), at(m.tile_mean, t),
                              at(m.tile_squares, t));
  });
}

double Network::loss(const int64_t* labels) {
  const Panel logits = panels_.back();
  std::vector<double> sums(std::size_t(tiles_), 0.0);
  parallel(tiles_, [&](int t) {
    sums[std::size_t(t)] = s_.kernels->cross_entropy(logits.at(t), logits.stride, maps_.back().n_rows(),
                                                     labels + t * TILE, valid(t), 1.0f / float(batch_));
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total / batch_;
}

}  // namespace prunescope
