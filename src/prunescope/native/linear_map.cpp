// The memory of a linear map, and the exchange of its numbers with whole arrays. See linear_map.hpp.
#include "linear_map.hpp"

#include <utility>

namespace prunescope {
namespace {

constexpr double BLOCKS_ABOVE = 0.04;  // the density from which a block's rows are long enough to pay
constexpr Index VECTOR_FLOATS =
    16;  // rows of dense maps are padded to whole vectors of every instruction set

// Calls copy(place of the kept entry, its place in the whole array) for all entries of a field.
template <class F>
void for_each_entry(const LinearMap& m, Field field, F copy) {
  if (field == Field::weight) {
    for (Index r = 0; r < m.n_rows(); ++r) {
      const Index row = m.rows[r] * m.n_in;
      if (m.dense)
        for (Index c = 0; c < m.n_columns(); ++c) copy(r * m.pitch + c, row + m.columns[c]);
      else
        for (uint32_t k = m.pattern.begin[r]; k < m.pattern.begin[r + 1]; ++k)
          copy(k, row + m.columns[m.pattern.column[k]]);
    }
  } else if (field == Field::bias) {
    for (Index r = 0; r < m.n_rows(); ++r) copy(r, m.rows[r]);
  } else {
    for (Index c = 0; c < m.n_columns(); ++c) copy(c, m.columns[c]);
  }
}

// Returns the memory of a field, of a LinearMap or a const LinearMap.
template <class M>
auto& storage(M& m, Field field, int slot) {
  if (field == Field::mean) return m.average_mean;
  if (field == Field::variance) return m.average_variance;
  auto& p = field == Field::weight  ? m.weight
            : field == Field::bias  ? m.bias
            : field == Field::gamma ? m.gamma
                                    : m.beta;
  return slot == 0 ? p.value : slot == 1 ? p.first_moment : p.second_moment;
}

}  // namespace

Parameter::Parameter(Index size, Rule rule)
    : value(size),
      first_moment(moment_count(rule) < 1 ? 0 : size),
      second_moment(moment_count(rule) < 2 ? 0 : size) {}

LinearMap::LinearMap(LinearMapSpec spec, Rule rule)
    : n_out(spec.mask.rows),
      n_in(spec.mask.columns),
      rows(std::move(spec.rows)),
      columns(std::move(spec.columns)),
      live_columns(spec.live_columns),
      dense(spec.dense),
      last(spec.last),
      bias_kept(std::move(spec.bias_kept)) {
  const Index width = (n_columns() + VECTOR_FLOATS - 1) / VECTOR_FLOATS * VECTOR_FLOATS;
  Index size, parts = 1;
  if (dense) {
    pitch = width;
    size = n_rows() * width;
    kept = Buffer<float>(size);
    bool all = true;
    for (Index r = 0; r < n_rows(); ++r)
      for (Index c = 0; c < n_columns(); ++c) {
        const bool one = spec.mask.row(rows[r])[columns[c]];
        kept[r * width + c] = one;
        all = all && one;
      }
    if (all) kept = {};
  } else {
    pattern = Pattern(spec.mask, rows, columns, live_columns);
    size = pattern.entries();
    parts = HALVES;
    thin = last && !spec.first && size == n_rows() * n_columns();
    if (!spec.first) pattern.transpose();  // the first map needs no gradient towards the pixels
    if (spec.first && size > BLOCKS_ABOVE * n_rows() * n_columns()) pattern.cut_into_blocks();
    transposed_weight = Buffer<float>(std::ssize(pattern.transposed_source));
    block_weight = Buffer<float>(std::ssize(pattern.block_source));
    block_gradient = Buffer<float>(HALVES * std::ssize(pattern.block_source));
  }
  weight = Parameter(size, rule);
  bias = Parameter(n_rows(), rule);
  gamma = Parameter(width, rule);
  beta = Parameter(width, rule);
  folded = Buffer<float>(size);
  gradient = Buffer<float>(dense ? 0 : parts * size);
  folded_bias = Buffer<float>(n_rows());
  row_sum = Buffer<float>(HALVES * n_rows());
  for (auto* buffer : {&mean, &inverse_deviation, &scale, &offset, &norm_gamma, &norm_beta, &average_mean,
                       &average_variance, &shift, &slope, &gamma_gradient, &beta_gradient})
    *buffer = Buffer<float>(width);
  group_gradients = Buffer<float>(GROUPS * 2 * width);
}

void LinearMap::read(Field field, int slot, float* whole) const {
  const float* from = storage(*this, field, slot).get();
  for_each_entry(*this, field, [&](Index own, Index place) { whole[place] = from[own]; });
}

void LinearMap::write(Field field, int slot, const float* whole) {
  float* to = storage(*this, field, slot).get();
  for_each_entry(*this, field, [&](Index own, Index place) { to[own] = whole[place]; });
  if (field == Field::weight)  // a dense map holds pruned weights too, as zeros
    for (Index k = 0; k < kept.size(); ++k)
      if (kept[k] == 0) to[k] = 0;
}

}  // namespace prunescope
