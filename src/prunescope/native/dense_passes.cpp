// The passes of a dense map: products by BLAS, in pieces that do not depend on the number of threads. See
// network.hpp.
#include <algorithm>

#include "network.hpp"

namespace prunescope {

void Network::round_inputs(Index layer) {
  LinearMap& m = maps_[layer];
  const Tiles<float> x = activations_[layer];
  const bool bytes = layer == 0 && has_bytes_;
  const Index live = m.live_columns;
  narrows() ? m.narrow_inputs.reserve(live * x.stride) : m.rounded_inputs.reserve(live * x.stride);
  parallel(piece_count(live, ROUNDED_ROWS), [&](Index task) {
    const Range own = piece(live, ROUNDED_ROWS, task);
    for (Index c = own.begin; c < own.end; ++c) {
      uint16_t* to = m.narrow_inputs.get() + c * x.stride;
      if (!narrows())
        settings_.kernels->round_bf16(x[0].feature(c), batch_, m.mean[c],
                                      m.rounded_inputs.get() + c * x.stride);
      else if (!bytes)
        settings_.kernels->narrow_f32(x[0].feature(c), batch_, m.mean[c], to);
      else
        for (Index t = 0; t < tiles_; ++t)
          settings_.kernels->narrow_i8(byte_inputs(t).feature(c), TILE, m.mean[c], to + t * TILE);
    }
  });
}

void Network::round_weights(Index layer) {
  LinearMap& m = maps_[layer];
  if (narrows()) m.narrow_weights.reserve(m.folded.size());
  parallel(piece_count(m.n_rows(), ROUNDED_ROWS), [&](Index task) {
    const Range rows = piece(m.n_rows(), ROUNDED_ROWS, task);
    const Index begin = rows.begin * m.pitch, size = rows.end * m.pitch - begin;
    float* folded = m.folded.get() + begin;
    if (narrows())
      settings_.kernels->narrow_f32(folded, size, 0, m.narrow_weights.get() + begin);
    else
      settings_.kernels->round_bf16(folded, size, 0, folded);
  });
}

void Network::round_delta(Index layer) {
  const Tiles<float> delta = activations_[layer + 1];
  const Index n_rows = maps_[layer].n_rows(), size = n_rows * delta.stride;
  narrows() ? narrow_delta_.reserve(size) : rounded_delta_.reserve(size);
  parallel(piece_count(n_rows, ROUNDED_ROWS), [&](Index task) {
    const Range rows = piece(n_rows, ROUNDED_ROWS, task);
    for (Index r = rows.begin; r < rows.end; ++r) {
      const float* from = delta[0].feature(r);
      if (narrows())
        settings_.kernels->narrow_f32(from, batch_, 0, narrow_delta_.get() + r * delta.stride);
      else
        settings_.kernels->round_bf16(from, batch_, 0, rounded_delta_.get() + r * delta.stride);
    }
  });
}

Operand Network::inputs(Index layer, bool rounding) const {
  const LinearMap& m = maps_[layer];
  const Tiles<float> x = activations_[layer];
  if (rounding && narrows()) return {nullptr, m.narrow_inputs.get(), x.stride};
  return {rounding ? m.rounded_inputs.get() : x.data, nullptr, x.stride};
}

Operand Network::weights(Index layer, bool rounding) const {
  const LinearMap& m = maps_[layer];
  if (rounding && narrows()) return {nullptr, m.narrow_weights.get(), m.pitch};
  return {m.folded.get(), nullptr, m.pitch};
}

Operand Network::delta(Index layer, bool rounding) const {
  const Tiles<float> delta = activations_[layer + 1];
  if (rounding && narrows()) return {nullptr, narrow_delta_.get(), delta.stride};
  return {rounding ? rounded_delta_.get() : delta.data, nullptr, delta.stride};
}

void Network::forward_dense(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  const Tiles<float> out = activations_[layer + 1];
  const bool rounding = training && rounds(m);
  if (rounding) {
    round_inputs(layer);
    round_weights(layer);
  }
  const Operand x = inputs(layer, rounding), w = weights(layer, rounding);
  const Index across = piece_count(batch_, DENSE_SAMPLES);
  parallel(across * piece_count(m.n_rows(), DENSE_ROWS), [&](Index task) {
    const Range samples = piece(batch_, DENSE_SAMPLES, task % across);
    const Range rows = piece(m.n_rows(), DENSE_ROWS, task / across);
    const Index count = rows.end - rows.begin;
    settings_.blas.multiply({.op_a = 'N',
                             .op_b = 'N',
                             .m = samples.end - samples.begin,
                             .n = count,
                             .k = m.live_columns,
                             .a = x.from(samples.begin),
                             .b = w.from(rows.begin * w.leading),
                             .c = out.data + samples.begin + rows.begin * out.stride,
                             .leading_c = out.stride});
    for (Index t = samples.begin / TILE; t * TILE < samples.end; ++t) {
      Epilogue last = epilogue(m, t, training);
      last.bias += rows.begin;
      last.statistics = last.statistics.from(rows.begin);
      settings_.kernels->finish_rows(count, out[t].from(rows.begin), last);
    }
  });
}

void Network::dense_weight_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  const Tiles<float> sums = activations_[layer + 1];
  if (rounds(m)) round_delta(layer);
  const Operand x = inputs(layer, rounds(m)), d = delta(layer, rounds(m));
  parallel(piece_count(m.n_rows(), DENSE_ROWS), [&](Index task) {
    const Range rows = piece(m.n_rows(), DENSE_ROWS, task);
    settings_.blas.multiply({.op_a = 'T',
                             .op_b = 'N',
                             .m = m.live_columns,
                             .n = rows.end - rows.begin,
                             .k = batch_,
                             .a = x,
                             .b = d.from(rows.begin * d.leading),
                             .c = m.gradient.get() + rows.begin * m.pitch,
                             .leading_c = m.pitch});
    for (Index r = rows.begin; r < rows.end; ++r) {
      double total = 0;
      for (Index t = 0; t < tiles_; ++t) {
        const float* samples = sums[t].feature(r);
        float tile_sum = 0;
        for (Index n = 0; n < TILE; ++n) tile_sum += samples[n];
        total += tile_sum;
      }
      m.row_sum[r] = total;
    }
  });
}

void Network::dense_input_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  const Tiles<float> hidden = activations_[layer];
  const Operand d = delta(layer, rounds(m)), w = weights(layer, rounds(m));  // rounded in the passes before
  const InputGradientTerms terms{m.mean.get(), m.shift.get(), m.slope.get()};
  const Index across = piece_count(batch_, DENSE_SAMPLES);
  parallel(across * piece_count(m.live_columns, DENSE_ROWS), [&](Index task) {
    const Range samples = piece(batch_, DENSE_SAMPLES, task % across);
    const Range columns = piece(m.live_columns, DENSE_ROWS, task / across);
    settings_.blas.multiply({.op_a = 'N',
                             .op_b = 'T',
                             .m = samples.end - samples.begin,
                             .n = columns.end - columns.begin,
                             .k = m.n_rows(),
                             .a = d.from(samples.begin),
                             .b = w.from(columns.begin),
                             .c = products_.get() + samples.begin + columns.begin * hidden.stride,
                             .leading_c = hidden.stride});
    for (Index c = columns.begin; c < columns.end; ++c)
      for (Index t = samples.begin / TILE; t * TILE < samples.end; ++t)
        settings_.kernels->finish_input_gradient(products_.get() + c * hidden.stride + t * TILE,
                                                 hidden[t].feature(c), terms, c);
  });
}

}  // namespace prunescope
