// The backward pass of a network: weight gradients, updates and input gradients. See network.hpp.
#include <algorithm>

#include "network.hpp"

namespace prunescope {

void Network::backward(Index layer) {
  weight_gradient(layer);
  update(layer);
  if (layer > 0) input_gradient(layer);
}

void Network::weight_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  if (m.dense) {
    dense_weight_gradient(layer);
  } else if (m.thin) {
    // Without a live column there is one task still, for the sums alone.
    const Index tasks = std::max<Index>(1, piece_count(m.live_columns, THIN_COLUMNS));
    parallel(tasks, [&](Index task) {
      const DenseGradient gradient{.weight = m.gradient.get(),
                                   .pitch = m.n_columns(),
                                   .rows = m.n_rows(),
                                   .row_sum = task == 0 ? m.row_sum.get() : nullptr};
      settings_.kernels->weight_gradient_thin(gradient, piece(m.live_columns, THIN_COLUMNS, task), tiles_,
                                              activations_[layer + 1], activations_[layer]);
    });
  } else {
    sparse_weight_gradient(layer);
  }
}

// Tasks are halves of the tiles times parts of the rows: with two threads each reads its inputs once.
void Network::sparse_weight_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  const Tiles<float> x = activations_[layer], delta = activations_[layer + 1];
  const Index n_rows = m.n_rows(), entries = m.pattern.entries();
  const Index blocked = std::ssize(m.pattern.block_source);
  const bool blocks = by_blocks(layer);
  const Index parts = blocks ? 1 : std::max<Index>(1, std::min<Index>(n_rows, (settings_.threads + 1) / 2));
  const std::vector<uint32_t>& begin = m.pattern.begin;
  const auto first_row = [&](Index number) {  // of parts with equal shares of the entries
    const Index share = entries * number / parts;
    return number == parts ? n_rows : std::lower_bound(begin.begin(), begin.end() - 1, share) - begin.begin();
  };
  parallel(HALVES * parts, [&](Index task) {
    const Index half = task % HALVES;
    const Range rows{first_row(task / HALVES), first_row(task / HALVES + 1)};
    const Range tiles = part(tiles_, HALVES, half);
    const WeightGradient gradient{
        .weight = blocks ? m.block_gradient.get() + half * blocked : m.gradient.get() + half * entries,
        .row_sum = m.row_sum.get() + half * n_rows};
    const Range cleared = blocks ? Range{0, blocked} : Range{begin[rows.begin], begin[rows.end]};
    std::fill(gradient.weight + cleared.begin, gradient.weight + cleared.end, 0.0f);
    std::fill(gradient.row_sum + rows.begin, gradient.row_sum + rows.end, 0.0f);
    alignas(64) float scratch[BLOCK_WIDTH * TILE];
    for (Index t = tiles.begin; t < tiles.end; ++t)
      if (blocks)
        settings_.kernels->weight_gradient_blocks(m.pattern.blocks(), delta[t], byte_inputs(t), gradient,
                                                  scratch);
      else if (layer == 0 && has_bytes_)
        settings_.kernels->weight_gradient_i8(m.pattern.by_row(), rows, delta[t], byte_inputs(t), gradient);
      else
        settings_.kernels->weight_gradient_f32(m.pattern.by_row(), rows, delta[t], x[t], gradient);
  });
  sum_halves(layer);
}

void Network::sum_halves(Index layer) {
  LinearMap& m = maps_[layer];
  const std::vector<uint32_t>& source = m.pattern.block_source;
  const Index entries = m.pattern.entries(), rows = m.n_rows(), blocked = std::ssize(source);
  const bool blocks = by_blocks(layer);
  const Index size = blocks ? blocked : entries;
  parallel(piece_count(size, SPARSE_ENTRIES), [&](Index task) {
    const auto [begin, end] = piece(size, SPARSE_ENTRIES, task);
    for (Index k = begin; k < end; ++k)
      if (blocks)
        m.gradient[source[k]] = m.block_gradient[k] + m.block_gradient[blocked + k];
      else
        m.gradient[k] += m.gradient[entries + k];
  });
  for (Index r = 0; r < rows; ++r) m.row_sum[r] += m.row_sum[rows + r];
}

void Network::update(Index layer) {
  LinearMap& m = maps_[layer];
  const UpdateFactors factors = settings_.optimizer.at_step(steps_);
  update_weights(layer, factors);
  if (settings_.norm) update_norm(m, factors);
  for (Index r = 0; r < m.n_rows(); ++r)
    if (!m.bias_kept[r]) m.row_sum[r] = 0;
  settings_.kernels->update_vector(m.n_rows(), m.row_sum.get(), factors, m.bias.view());
}

void Network::update_weights(Index layer, const UpdateFactors& factors) {
  LinearMap& m = maps_[layer];
  const Index width = m.mean.size(), groups = std::min(GROUPS, m.n_rows());
  if (rounds(m)) zeros_.reserve(width);  // rounded inputs are centred already
  const InputNorm inputs{.mean = rounds(m) ? zeros_.get() : m.mean.get(),
                         .inverse_deviation = m.inverse_deviation.get(),
                         .gamma = m.norm_gamma.get(),
                         .beta = m.norm_beta.get()};
  m.group_gradients.clear();
  parallel(groups, [&](Index group) {
    const Range rows = part(m.n_rows(), groups, group);
    float* sums = m.group_gradients.get() + 2 * group * width;
    const WeightUpdate update{.gradient = m.dense ? dense_result_.get() : m.gradient.get(),
                              .row_sum = m.row_sum.get(),
                              .inputs = inputs,
                              .factors = factors,
                              .weight = m.weight.view(),
                              .gamma_gradient = sums,
                              .beta_gradient = sums + width};
    if (m.dense)
      settings_.kernels->update_dense_weights({m.pitch, m.live_columns, m.kept.get()}, rows, update);
    else
      settings_.kernels->update_weights(m.pattern.by_row(), rows, update);
  });
  m.gamma_gradient.clear();
  m.beta_gradient.clear();
  for (Index group = 0; group < groups; ++group) {
    const float* sums = m.group_gradients.get() + 2 * group * width;
    for (Index c = 0; c < width; ++c) {
      m.gamma_gradient[c] += sums[c];
      m.beta_gradient[c] += sums[width + c];
    }
  }
}

void Network::update_norm(LinearMap& m, const UpdateFactors& factors) {
  for (Index c = 0; c < m.live_columns; ++c) {
    m.shift[c] = m.scale[c] * m.beta_gradient[c] / batch_;
    m.slope[c] = m.scale[c] * m.inverse_deviation[c] * m.gamma_gradient[c] / batch_;
  }
  for (Index c = m.live_columns; c < m.n_columns(); ++c) m.gamma_gradient[c] = 0;
  settings_.kernels->update_vector(m.n_columns(), m.gamma_gradient.get(), factors, m.gamma.view());
  settings_.kernels->update_vector(m.n_columns(), m.beta_gradient.get(), factors, m.beta.view());
}

void Network::input_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  if (m.dense) {
    dense_input_gradient(layer);
    return;
  }
  const Tiles<float> hidden = activations_[layer], delta = activations_[layer + 1];
  const std::vector<uint32_t>& source = m.pattern.transposed_source;
  parallel(piece_count(std::ssize(source), SPARSE_ENTRIES), [&](Index task) {
    const auto [begin, end] = piece(std::ssize(source), SPARSE_ENTRIES, task);
    for (Index k = begin; k < end; ++k) m.transposed_weight[k] = m.folded[source[k]];
  });
  const SparseMatrix transposed{m.pattern.by_column(), m.transposed_weight.get()};
  const InputGradientTerms terms{m.mean.get(), m.shift.get(), m.slope.get()};
  const Index parts = row_parts(m.live_columns);
  parallel(tiles_ * parts, [&](Index task) {
    const Index t = task / parts;
    settings_.kernels->input_gradient(transposed, part(m.live_columns, parts, task % parts), delta[t],
                                      hidden[t], terms);
  });
}

}  // namespace prunescope
