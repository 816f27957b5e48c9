// The backward pass: gradients of the weights, updates, gradients of the inputs. See network.hpp.
#include <algorithm>

#include "network.hpp"
#include "pieces.hpp"

namespace prunescope {

// Raw gradients (against the inputs as they are) of the live columns' weights, and the rows' sums.
void Network::weight_gradient(int layer) {
  Map& m = maps_[std::size_t(layer)];
  const Panel x = panels_[std::size_t(layer)], d = panels_[std::size_t(layer) + 1];
  const int rows = m.n_rows();
  if (m.dense) {
    const float* a = rounded_inputs(layer);
    const float* b = rounded(d.data, std::size_t(rows * d.stride), rounded_b_);
    parallel(pieces(rows, DENSE_ROWS), [&](int task) {
      const int r0 = task * DENSE_ROWS, r1 = std::min(r0 + DENSE_ROWS, rows);
      s_.blas.product('T', 'N', m.n_live, r1 - r0, batch_, a, int(x.stride), b + r0 * d.stride, int(d.stride),
                      m.gradient.get() + r0 * m.pitch, int(m.pitch));
      for (int r = r0; r < r1; ++r) {
        double total = 0;
        for (int t = 0; t < tiles_; ++t) {
          float part = 0;
          for (int n = 0; n < TILE; ++n) part += d.at(t, r)[n];
          total += part;
        }
        m.row_sum[std::size_t(r)] = float(total);
      }
    });
    return;
  }
  if (m.whole) {
    const int tasks = std::max(1, pieces(m.n_live, WHOLE_COLUMNS));  // without a live column, the sums alone
    parallel(tasks, [&](int task) {
      const int c0 = task * WHOLE_COLUMNS, c1 = std::min(c0 + WHOLE_COLUMNS, m.n_live);
      s_.kernels->weights_whole(rows, c0, c1, tiles_, d.data, d.stride, d.tile, x.data, x.stride, x.tile,
                                m.gradient.get(), m.n_columns(), task == 0 ? m.row_sum.get() : nullptr);
    });
    return;
  }
  // Tasks are halves of the tiles times shares of the rows: with two threads each reads its inputs once.
  const bool blocks = by_blocks(layer);
  const int parts = blocks ? 1 : std::max(1, std::min(rows, (s_.threads + 1) / 2));
  const std::size_t entries = m.pattern.entries();
  const auto& begin = m.pattern.begin;
  const auto boundary = [&](int part) {  // rows with equal shares of the entries
    const uint64_t share = uint64_t(entries) * uint64_t(part) / uint64_t(parts);
    return part == parts ? rows
                         : int(std::lower_bound(begin.begin(), begin.end() - 1, share) - begin.begin());
  };
  parallel(HALVES * parts, [&](int task) {
    const int half = task % HALVES, r0 = boundary(task / HALVES), r1 = boundary(task / HALVES + 1);
    float *sum = m.row_sum.get() + half * rows, *gradient = m.gradient.get() + std::size_t(half) * entries;
    std::fill(sum + r0, sum + r1, 0.0f);
    if (blocks) {
      gradient = m.block_gradient.get() + std::size_t(half) * m.pattern.block_source.size();
      std::fill(gradient, gradient + m.pattern.block_source.size(), 0.0f);
    } else {
      std::fill(gradient + m.pattern.begin[std::size_t(r0)], gradient + m.pattern.begin[std::size_t(r1)],
                0.0f);
    }
    alignas(64) float scratch[BLOCK_WIDTH * TILE];
    for (int t = tiles_ * half / HALVES; t < tiles_ * (half + 1) / HALVES; ++t) {
      const int8_t* bytes = bytes_.get() + long(t) * m.n_live * TILE;
      if (blocks)
        s_.kernels->weights_blocks(m.pattern.blocks(), rows, d.at(t), d.stride, bytes, gradient, sum,
                                   scratch);
      else if (layer == 0 && has_bytes_)
        s_.kernels->weights_i8(m.pattern.by_row(), r0, r1, d.at(t), d.stride, bytes, TILE, gradient, sum);
      else
        s_.kernels->weights_f32(m.pattern.by_row(), r0, r1, d.at(t), d.stride, x.at(t), x.stride, gradient,
                                sum);
    }
  });
  sum_halves(layer);
}

void Network::sum_halves(int layer) {
  Map& m = maps_[std::size_t(layer)];
  const std::size_t entries = m.pattern.entries(), rows = m.rows.size(),
                    blocked = m.pattern.block_source.size();
  const bool blocks = by_blocks(layer);
  constexpr long piece = ENTRIES;
  const long size = long(blocks ? blocked : entries);
  parallel(pieces(size, piece), [&](int task) {
    const auto begin = std::size_t(task * piece), end = std::size_t(std::min(task * piece + piece, size));
    for (std::size_t k = begin; k < end; ++k)
      if (blocks)
        m.gradient[m.pattern.block_source[k]] = m.block_gradient[k] + m.block_gradient[blocked + k];
      else
        m.gradient[k] += m.gradient[entries + k];
  });
  for (std::size_t r = 0; r < rows; ++r) m.row_sum[r] += m.row_sum[rows + r];
}

// Gradients of the norm from those of the weights, then every parameter's update.
void Network::update(int layer) {
  Map& m = maps_[std::size_t(layer)];
  const UpdateFactors o = s_.optimizer.at_step(steps_);
  const long width = m.mean.size() ? long(m.mean.size()) : 0;
  if (rounds(m) && zeros_.size() < m.mean.size()) zeros_ = Buffer<float>(m.mean.size());
  const InputNorm norm{rounds(m) ? zeros_.get() : m.mean.get(), m.inverse.get(), m.norm_gamma.get(),
                       m.norm_beta.get()};
  const int groups = std::min(GROUPS, m.n_rows()), rows = m.n_rows();
  m.partial.zero();
  parallel(groups, [&](int g) {
    const int r0 = int(long(rows) * g / groups), r1 = int(long(rows) * (g + 1) / groups);
    float *gamma = m.partial.get() + 2 * g * width, *beta = gamma + width;
    float *w = m.weight.value.get(), *first = m.weight.first.get(), *second = m.weight.second.get();
    if (!m.dense) {
      s_.kernels->update(m.pattern.by_row(), r0, r1, m.gradient.get(), m.row_sum.get(), norm, o, w, first,
                         second, gamma, beta);
      return;
    }
    const auto from = [](float* p, long place) { return p ? p + place : p; };
    for (int r = r0; r < r1; ++r) {
      const long at = r * m.pitch;
      s_.kernels->update_dense(int(m.pitch), m.n_live, m.gradient.get() + at, m.row_sum[std::size_t(r)], norm,
                               o, from(m.kept.get(), at), w + at, from(first, at), from(second, at), gamma,
                               beta);
    }
  });
  m.by_gamma.zero();
  m.by_beta.zero();
  for (int g = 0; g < groups; ++g)
    for (long c = 0; c < width; ++c) {
      m.by_gamma[std::size_t(c)] += m.partial[std::size_t(2 * g * width + c)];
      m.by_beta[std::size_t(c)] += m.partial[std::size_t((2 * g + 1) * width + c)];
    }
  if (s_.norm) {
    const auto live = std::size_t(m.n_live);
    for (std::size_t c = 0; c < live; ++c) {
      m.shift[c] = m.scale[c] * m.by_beta[c] / float(batch_);
      m.slope[c] = m.scale[c] * m.inverse[c] * m.by_gamma[c] / float(batch_);
    }
    for (int c = m.n_live; c < m.n_columns(); ++c) m.by_gamma[std::size_t(c)] = 0;
    s_.kernels->update_vector(m.n_columns(), m.by_gamma.get(), o, m.gamma.value.get(), m.gamma.first.get(),
                              m.gamma.second.get());
    s_.kernels->update_vector(m.n_columns(), m.by_beta.get(), o, m.beta.value.get(), m.beta.first.get(),
                              m.beta.second.get());
  }
  for (int r = 0; r < rows; ++r)
    if (!m.bias_kept[std::size_t(r)]) m.row_sum[std::size_t(r)] = 0;
  s_.kernels->update_vector(rows, m.row_sum.get(), o, m.bias.value.get(), m.bias.first.get(),
                            m.bias.second.get());
}

// The gradient towards a hidden layer's sums replaces its activations.
void Network::input_gradient(int layer) {
  Map& m = maps_[std::size_t(layer)];
  const Panel h = panels_[std::size_t(layer)], d = panels_[std::size_t(layer) + 1];
  const int live = m.n_live, rows = m.n_rows();
  if (m.dense) {
    const float* a = rounded(d.data, std::size_t(rows * d.stride), rounded_a_);
    const float* w = rounded(m.folded.get(), m.folded.size(), rounded_b_);
    const int across = pieces(batch_, DENSE_SAMPLES);
    parallel(across * pieces(live, DENSE_ROWS), [&](int task) {
      const int n0 = task % across * DENSE_SAMPLES, n1 = std::min(n0 + DENSE_SAMPLES, batch_);
      const int c0 = task / across * DENSE_ROWS, c1 = std::min(c0 + DENSE_ROWS, live);
      float* to = products_.get() + n0 + c0 * h.stride;
      s_.blas.product('N', 'T', n1 - n0, c1 - c0, rows, a + n0, int(d.stride), w + c0, int(m.pitch), to,
                      int(h.stride));
      for (int c = c0; c < c1; ++c)
        for (int t = n0 / TILE; t * TILE < n1; ++t)
          s_.kernels->finish_inputs(products_.get() + c * h.stride + t * TILE, h.at(t, c),
                                    m.mean[std::size_t(c)], m.shift[std::size_t(c)], m.slope[std::size_t(c)]);
    });
    return;
  }
  const long entries = long(m.pattern.source.size());
  parallel(pieces(entries, ENTRIES), [&](int task) {
    for (long k = task * ENTRIES, end = std::min(k + ENTRIES, entries); k < end; ++k)
      m.t_weight[std::size_t(k)] = m.folded[m.pattern.source[std::size_t(k)]];
  });
  const int chunks = row_chunks(live);
  parallel(tiles_ * chunks, [&](int task) {
    const int t = task / chunks, chunk = task % chunks;
    const int c0 = int(long(live) * chunk / chunks), c1 = int(long(live) * (chunk + 1) / chunks);
    s_.kernels->inputs(m.pattern.by_column(), m.t_weight.get(), c0, c1, d.at(t), d.stride, h.at(t), h.stride,
                       m.mean.get(), m.shift.get(), m.slope.get());
  });
}

}  // namespace prunescope
