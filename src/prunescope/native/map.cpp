// See map.hpp.
#include "map.hpp"

#include <utility>

namespace prunescope {
namespace {

constexpr double BLOCKS_ABOVE = 0.04;  // density from which a block's rows are long enough to pay

// Calls copy(kept entry, its place in the whole array).
template <class M, class F>
void entries(M& m, Field field, F copy) {
  if (field == Field::weight) {
    for (int r = 0; r < m.n_rows(); ++r) {
      const long row = long(m.rows[r]) * m.n_in;
      if (m.dense)
        for (int c = 0; c < m.n_columns(); ++c) copy(r * m.pitch + c, row + m.columns[c]);
      else
        for (uint32_t k = m.pattern.begin[r]; k < m.pattern.begin[r + 1]; ++k)
          copy(k, row + m.columns[m.pattern.column[k]]);
    }
  } else if (field == Field::bias) {
    for (int r = 0; r < m.n_rows(); ++r) copy(r, m.rows[r]);
  } else {
    for (int c = 0; c < m.n_columns(); ++c) copy(c, m.columns[c]);
  }
}

template <class M>
auto& storage(M& m, Field field, int slot) {
  if (field == Field::mean) return m.average_mean;
  if (field == Field::variance) return m.average_variance;
  auto& p = field == Field::weight  ? m.weight
            : field == Field::bias  ? m.bias
            : field == Field::gamma ? m.gamma
                                    : m.beta;
  return slot == 0 ? p.value : slot == 1 ? p.first : p.second;
}

}  // namespace

Parameter::Parameter(std::size_t size, Rule rule)
    : value(size), first(moments(rule) < 1 ? 0 : size), second(moments(rule) < 2 ? 0 : size) {}

Map::Map(const uint8_t* mask, int n_out_, int n_in_, std::vector<int> rows_, std::vector<int> columns_,
         int n_live_, std::vector<uint8_t> bias_kept_, bool dense_, bool first, bool last_, Rule rule)
    : n_out(n_out_),
      n_in(n_in_),
      rows(std::move(rows_)),
      columns(std::move(columns_)),
      n_live(n_live_),
      dense(dense_),
      last(last_),
      bias_kept(std::move(bias_kept_)) {
  const std::size_t width = (columns.size() + 15) / 16 * 16;  // whole vectors
  std::size_t size, parts = 1;
  if (dense) {
    pitch = long(width);
    size = rows.size() * width;
    kept = Buffer<float>(size);
    bool all = true;
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const bool one = mask[long(rows[r]) * n_in + columns[c]];
        kept[r * width + c] = one;
        all = all && one;
      }
    if (all) kept = {};
  } else {
    pattern = Pattern(mask, n_in, rows, columns, n_live);
    size = pattern.entries();
    parts = HALVES;
    whole = last && !first && size == rows.size() * columns.size();
    if (!first) pattern.transpose();  // the first map needs no gradient towards the pixels
    if (first && double(size) > BLOCKS_ABOVE * n_rows() * n_columns()) pattern.cut_into_blocks();
    t_weight = Buffer<float>(pattern.source.size());
    block_weight = Buffer<float>(pattern.block_source.size());
    block_gradient = Buffer<float>(HALVES * pattern.block_source.size());
  }
  weight = Parameter(size, rule);
  bias = Parameter(rows.size(), rule);
  gamma = Parameter(width, rule);
  beta = Parameter(width, rule);
  folded = Buffer<float>(size);
  gradient = Buffer<float>(parts * size);
  folded_bias = Buffer<float>(rows.size());
  row_sum = Buffer<float>(HALVES * rows.size());
  for (auto* b : {&mean, &inverse, &scale, &offset, &norm_gamma, &norm_beta, &average_mean, &average_variance,
                  &shift, &slope, &by_gamma, &by_beta})
    *b = Buffer<float>(width);
  partial = Buffer<float>(GROUPS * 2 * width);
}

void Map::read(Field field, int slot, float* whole) const {
  const float* from = storage(*this, field, slot).get();
  entries(*this, field, [&](long own, long place) { whole[place] = from[own]; });
}

void Map::write(Field field, int slot, const float* whole) {
  float* to = storage(*this, field, slot).get();
  entries(*this, field, [&](long own, long place) { to[own] = whole[place]; });
  if (field == Field::weight)  // a dense map holds pruned weights too, as zeros
    for (std::size_t k = 0; k < kept.size(); ++k)
      if (kept[k] == 0) to[k] = 0;
}

}  // namespace prunescope
