// The passes of a dense map: products by BLAS, in pieces that do not depend on the number of threads. See
// network.hpp.
#include <algorithm>

#include "network.hpp"

namespace prunescope {

const float* Network::rounded(const float* from, Index size, Buffer<float>& to) {
  if (!settings_.bf16) return from;
  to.reserve(size);
  constexpr Index length = 1 << 16;
  parallel(piece_count(size, length), [&](Index task) {
    const auto [begin, end] = piece(size, length, task);
    settings_.kernels->round_bf16(from + begin, end - begin, 0, to.get() + begin);
  });
  return to.get();
}

const float* Network::rounded_inputs(Index layer) {
  const LinearMap& m = maps_[layer];
  const Tiles<float> x = activations_[layer];
  if (!settings_.bf16) return x.data;
  rounded_a_.reserve(m.live_columns * x.stride);
  parallel(m.live_columns, [&](Index c) {
    settings_.kernels->round_bf16(x[0].feature(c), batch_, m.mean[c], rounded_a_.get() + c * x.stride);
  });
  return rounded_a_.get();
}

void Network::forward_dense(Index layer, bool training) {
  LinearMap& m = maps_[layer];
  const Tiles<float> x = activations_[layer], out = activations_[layer + 1];
  const float* a = training ? rounded_inputs(layer) : x.data;
  const float* w = training ? rounded(m.folded.get(), m.folded.size(), rounded_b_) : m.folded.get();
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
                             .a = a + samples.begin,
                             .leading_a = x.stride,
                             .b = w + rows.begin * m.pitch,
                             .leading_b = m.pitch,
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
  const Tiles<float> x = activations_[layer], delta = activations_[layer + 1];
  const float* a = rounded_inputs(layer);
  const float* b = rounded(delta.data, m.n_rows() * delta.stride, rounded_b_);
  parallel(piece_count(m.n_rows(), DENSE_ROWS), [&](Index task) {
    const Range rows = piece(m.n_rows(), DENSE_ROWS, task);
    settings_.blas.multiply({.op_a = 'T',
                             .op_b = 'N',
                             .m = m.live_columns,
                             .n = rows.end - rows.begin,
                             .k = batch_,
                             .a = a,
                             .leading_a = x.stride,
                             .b = b + rows.begin * delta.stride,
                             .leading_b = delta.stride,
                             .c = m.gradient.get() + rows.begin * m.pitch,
                             .leading_c = m.pitch});
    for (Index r = rows.begin; r < rows.end; ++r) {
      double total = 0;
      for (Index t = 0; t < tiles_; ++t) {
        const float* samples = delta[t].feature(r);
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
  const Tiles<float> hidden = activations_[layer], delta = activations_[layer + 1];
  const float* a = rounded(delta.data, m.n_rows() * delta.stride, rounded_a_);
  const float* w = rounded(m.folded.get(), m.folded.size(), rounded_b_);
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
                             .a = a + samples.begin,
                             .leading_a = delta.stride,
                             .b = w + columns.begin,
                             .leading_b = m.pitch,
                             .c = products_.get() + samples.begin + columns.begin * hidden.stride,
                             .leading_c = hidden.stride});
    for (Index c = columns.begin; c < columns.end; ++c)
      for (Index t = samples.begin / TILE; t * TILE < samples.end; ++t)
        settings_.kernels->finish_input_gradient(products_.get() + c * hidden.stride + t * TILE,
                                                 hidden[t].feature(c), terms, c);
  });
}

}  // namespace prunescope
