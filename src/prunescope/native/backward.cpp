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
                                   .pitch = m.pitch,
                                   .rows = m.n_rows(),
                                   .row_sum = task == 0 ? m.row_sum.get() : nullptr};
      settings_.kernels->weight_gradient_thin(gradient, piece(m.live_columns, THIN_COLUMNS, task), tiles_,
                                              activations_[layer + 1], activations_[layer]);
    });
  } else {
    paired_weight_gradient(layer);
  }
}

// Tasks are halves of the tiles times parts of the groups: with two threads each reads its inputs once.
void Network::paired_weight_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  const Tiles<float> x = activations_[layer], delta = activations_[layer + 1];
  const RowPairs pairs = m.pairs.view();
  const Index n_rows = m.n_rows(), size = m.gradient.size() / HALVES;
  const Index parts = std::min<Index>(pairs.groups, (settings_.threads + 1) / 2);
  m.row_sum.clear();
  parallel(HALVES * parts, [&](Index task) {
    const Index half = task % HALVES;
    Share own{.groups = part(pairs.groups, parts, task / HALVES),
              .tiles = part(tiles_, HALVES, half),
              .two_tiles = m.choice.gradient_two_tiles,
              .scratch = nullptr};
    own.scratch = scratch_memory(scratch_size(pairs.width, 0));
    if (own.tiles.begin == own.tiles.end) {  // a batch of one tile has no first half
      if (own.groups.begin == 0) std::fill_n(m.gradient.get() + half * size, size, 0.0f);
      return;
    }
    const WeightGradient gradient{.weight = m.gradient.get() + half * size,
                                  .row_sum = m.row_sum.get() + half * n_rows};
    if (layer == 0 && has_bytes_)
      settings_.kernels->weight_gradient_i8(pairs, own, delta, byte_inputs(), gradient);
    else
      settings_.kernels->weight_gradient_f32(pairs, own, delta, x, gradient);
  });
  for (Index r = 0; r < n_rows; ++r) m.row_sum[r] += m.row_sum[n_rows + r];
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
  const Index width = m.mean.size();
  const Index groups = m.paired() ? m.pairs.view().groups : std::min(GROUPS, m.n_rows());
  if (rounds(m)) zeros_.reserve(width);  // rounded inputs are centred already
  const InputNorm inputs{.mean = rounds(m) ? zeros_.get() : m.mean.get(),
                         .inverse_deviation = m.inverse_deviation.get(),
                         .gamma = m.norm_gamma.get(),
                         .beta = m.norm_beta.get()};
  m.group_gradients.clear();
  const auto update_of = [&](Index group) {
    float* sums = m.group_gradients.get() + 2 * group * width;
    return WeightUpdate{
        .gradient = m.dense ? dense_result_.get() : m.gradient.get(),
        .other_gradient = m.paired() ? m.gradient.get() + m.gradient.size() / HALVES : nullptr,
        .row_sum = m.row_sum.get(),
        .norm = {.scale = m.scale.get(), .offset = m.offset.get()},
        .inputs = inputs,
        .factors = factors,
        .weight = m.weight.view(),
        .gamma_gradient = sums,
        .beta_gradient = sums + width};
  };
  if (m.paired())
    parallel(m.pairs.pieces(), [&](Index piece) {
      const Index group = piece % groups;
      settings_.kernels->update_weights(m.pairs.view(), piece, update_of(group));
      if (piece < groups)
        settings_.kernels->update_constant(m.constants(), prunescope::piece(m.n_rows(), GROUP_ROWS, group),
                                           update_of(group));
    });
  else
    parallel(groups, [&](Index group) {
      const Range rows = part(m.n_rows(), groups, group);
      settings_.kernels->update_dense_weights({m.pitch, m.live_columns, m.kept.get()}, rows,
                                              update_of(group));
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
  if (m.paired())  // so far it is the sum of weight times raw gradient
    for (Index c = 0; c < m.live_columns; ++c)
      m.gamma_gradient[c] = (m.gamma_gradient[c] - m.mean[c] * m.beta_gradient[c]) * m.inverse_deviation[c];
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
  } else if (m.thin) {
    const InputGradientTerms terms{m.mean.get(), m.shift.get(), m.slope.get()};
    parallel(tiles_, [&](Index t) {
      settings_.kernels->input_gradient_thin({m.folded.get(), m.pitch, m.n_rows(), m.live_columns},
                                             {0, m.live_columns}, activations_[layer + 1][t],
                                             activations_[layer][t], terms);
    });
  } else {
    paired_input_gradient(layer);
  }
}

void Network::paired_input_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  const std::vector<uint32_t>& source = m.transposed_source;
  parallel(piece_count(std::ssize(source), SPARSE_ENTRIES), [&](Index task) {
    const auto [begin, end] = piece(std::ssize(source), SPARSE_ENTRIES, task);
    for (Index k = begin; k < end; ++k) m.transposed_weight[k] = m.folded[source[k]];
  });
  const PairedMatrix matrix{m.transposed.view(), m.transposed_weight.get()};
  const InputGradientTerms terms{m.mean.get(), m.shift.get(), m.slope.get()};
  for_each_share(settings_.threads, m.transposed, m.turned_choice, tiles_, [&](const Share& own) {
    settings_.kernels->input_gradient(matrix, own, activations_[layer + 1], activations_[layer], terms);
  });
}

}  // namespace prunescope
