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
          settings_.kernels->narrow_i8(byte_inputs()[t].feature(c), TILE, m.mean[c], to + t * TILE);
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

Index Network::pack(const DenseProduct& whole, Index rows, Index pieces) {
  // A packed operand is for products of equal sizes alone.
  if (!settings_.blas.pack || whole.a.narrow || pieces < 2 || whole.n % pieces != 0) return 0;
  if (whole.m == 0 || whole.k == 0) return 0;
  const Range columns = part(whole.n, pieces, 0);
  const Index across = piece_count(whole.m, rows);
  const auto left = [&](Index number) { return whole.part(piece(whole.m, rows, number), columns); };
  const Index size = piece_count(settings_.blas.packed_floats(left(0)), 16) * 16;
  if (packed_.size() < across * size) packed_ = Buffer<float>(across * size, Unfilled{});
  parallel(across,
           [&](Index number) { settings_.blas.pack_left(left(number), packed_.get() + number * size); });
  return size;
}

template <class F>
void Network::multiply(const DenseProduct& whole, Index rows, F finish) {
  // Two pieces are packed by two threads. Numbers of 16 bits are not packed, and are faster in longer pieces.
  const Index length = whole.a.narrow ? 2 * rows : rows;
  // Without a row of the left operand there is one task still, for what `finish` does.
  const Index across = std::max<Index>(1, piece_count(whole.m, length));
  const Index pieces = piece_count(whole.n, DENSE_ROWS);
  const Index packed = pack(whole, length, pieces);
  parallel(across * pieces, [&](Index task) {
    const Range own = piece(whole.m, length, task % across), columns = part(whole.n, pieces, task / across);
    settings_.blas.multiply(whole.part(own, columns),
                            packed ? packed_.get() + task % across * packed : nullptr);
    finish(own, columns);
  });
}

void Network::forward_dense(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  const Tiles<float> out = activations_[layer + 1];
  const bool rounding = training && rounds(m);
  if (rounding) {
    round_inputs(layer);
    round_weights(layer);
  }
  const DenseProduct product{.op_a = 'N',
                             .op_b = 'N',
                             .m = batch_,
                             .n = m.n_rows(),
                             .k = m.live_columns,
                             .a = inputs(layer, rounding),
                             .b = weights(layer, rounding),
                             .c = out.data,
                             .leading_c = out.stride};
  multiply(product, DENSE_SAMPLES, [&](Range samples, Range rows) {
    for (Index t = samples.begin / TILE; t * TILE < samples.end; ++t) {
      Epilogue last = epilogue(m, training).at(t);
      last.bias += rows.begin;
      last.statistics = last.statistics.from(rows.begin);
      settings_.kernels->finish_rows(rows.end - rows.begin, out[t].from(rows.begin), last);
    }
  });
}

void Network::dense_weight_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  if (rounds(m)) round_delta(layer);
  dense_result_.reserve(m.folded.size());
  const DenseProduct product{.op_a = 'T',
                             .op_b = 'N',
                             .m = m.live_columns,
                             .n = m.n_rows(),
                             .k = batch_,
                             .a = inputs(layer, rounds(m)),
                             .b = delta(layer, rounds(m)),
                             .c = dense_result_.get(),
                             .leading_c = m.pitch};
  multiply(product, std::max<Index>(1, piece_count(m.live_columns, 2)), [&](Range columns, Range rows) {
    const Tiles<const float> delta = activations_[layer + 1];
    if (columns.begin == 0) settings_.kernels->row_sums(rows, delta, tiles_, m.row_sum.get());
  });
}

void Network::dense_input_gradient(Index layer) {
  LinearMap& m = maps_[layer];
  const Tiles<float> hidden = activations_[layer];
  const InputGradientTerms terms{m.mean.get(), m.shift.get(), m.slope.get()};
  dense_result_.reserve(m.live_columns * hidden.stride);  // the weights' gradient is not needed any more
  const DenseProduct product{.op_a = 'N',
                             .op_b = 'T',
                             .m = batch_,
                             .n = m.live_columns,
                             .k = m.n_rows(),
                             .a = delta(layer, rounds(m)),  // rounded in the passes before
                             .b = weights(layer, rounds(m)),
                             .c = dense_result_.get(),
                             .leading_c = hidden.stride};
  multiply(product, DENSE_SAMPLES, [&](Range samples, Range columns) {
    for (Index c = columns.begin; c < columns.end; ++c)
      for (Index t = samples.begin / TILE; t * TILE < samples.end; ++t)
        settings_.kernels->finish_input_gradient(dense_result_.get() + c * hidden.stride + t * TILE,
                                                 hidden[t].feature(c), terms, c);
  });
}

}  // namespace prunescope
