// The memory of a linear map, and the exchange of its numbers with whole arrays. See linear_map.hpp.
#include "linear_map.hpp"

#include <algorithm>
#include <utility>

namespace prunescope {
namespace {

constexpr Index VECTOR_FLOATS = 16;  // of the widest vectors

// Returns the size up to the end of its last vector, of every instruction set.
Index in_vectors(Index size) { return piece_count(size, VECTOR_FLOATS) * VECTOR_FLOATS; }

// Calls copy(place of the kept entry, its place in the whole array) for all entries of a field.
template <class F>
void for_each_entry(const LinearMap& m, Field field, F copy) {
  if (field == Field::weight) {
    const auto place = [&](Index r, Index c) { return Index(m.rows[r]) * m.n_in + m.columns[c]; };
    if (m.paired()) {
      for (Index piece = 0; piece < m.pairs.pieces(); ++piece)
        m.pairs.for_each_entry(piece, [&](Index slot, Index r, Index c) { copy(slot, place(r, c)); });
      const ConstantEntries constants = m.constants();
      for (Index r = 0; r < m.n_rows(); ++r)
        for (Index k = constants.begin[r]; k < constants.begin[r + 1]; ++k)
          copy(constants.slot + k, place(r, constants.column[k]));
    } else {
      for (Index r = 0; r < m.n_rows(); ++r)
        for (Index c = 0; c < m.n_columns(); ++c) copy(r * m.pitch + c, place(r, c));
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

BlockChoice block_choice(const Kernels& kernels, const KeptBits& bits) {
  const double density = double(bits.entries()) / std::max<Index>(1, bits.rows() * bits.columns());
  const BlockChoice* choice = kernels.blocks;
  while (density < choice->density) ++choice;
  return *choice;
}

float* scratch_memory(Index size) {
  thread_local Buffer<float> memory;
  memory.reserve(size);
  return memory.get();
}

std::vector<Share> divided(const PairedRows& pairs, const BlockChoice& choice, Index tiles, Index threads) {
  const RowPairs view = pairs.view();
  const Index together = choice.forward_two_tiles && piece_count(tiles, 2) * view.groups >= threads ? 2 : 1;
  const Index across = piece_count(tiles, together);
  const Index parts = std::min(view.groups, piece_count(2 * threads, std::max<Index>(1, across)));
  std::vector<Share> all;
  for (Index t = 0; t < across; ++t)
    for (Index p = 0; p < parts; ++p)
      all.push_back({.groups = part(view.groups, parts, p),
                     .tiles = piece(tiles, together, t),
                     .two_tiles = together == 2,
                     .scratch = nullptr});
  return all;
}

Parameter::Parameter(Index size, Rule rule)
    : value(size),
      first_moment(moment_count(rule) < 1 ? 0 : size),
      second_moment(moment_count(rule) < 2 ? 0 : size) {}

LinearMap::LinearMap(LinearMapSpec spec, const Kernels& kernels, Rule rule, int threads)
    : n_out(spec.mask.rows),
      n_in(spec.mask.columns),
      rows(std::move(spec.rows)),
      columns(std::move(spec.columns)),
      live_columns(spec.live_columns),
      dense(spec.dense),
      last(spec.last),
      bias_kept(std::move(spec.bias_kept)) {
  const Index width = in_vectors(n_columns());
  Index size, parts = 1;
  if (last && !dense && !spec.first)
    thin = KeptBits(spec.mask, rows, columns, threads).entries() == n_rows() * n_columns();
  if (paired()) {
    pair(spec, kernels, threads);
    size = paired_size();
    parts = HALVES;
    constant = Buffer<double>(CHUNKS * n_rows());
    transposed_weight = Buffer<float>(transposed.slots());
  } else {
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
  }
  weight = Parameter(size, rule);
  bias = Parameter(n_rows(), rule);
  gamma = Parameter(width, rule);
  beta = Parameter(width, rule);
  // The last one of paired maps stays 0: what is filled up in another order takes it from there.
  folded = Buffer<float>(paired() ? size + 1 : size);
  gradient = Buffer<float>(dense ? 0 : parts * size);
  folded_bias = Buffer<float>(n_rows());
  row_sum = Buffer<float>(HALVES * n_rows());
  for (auto* buffer : {&mean, &inverse_deviation, &scale, &offset, &norm_gamma, &norm_beta, &average_mean,
                       &average_variance, &shift, &slope, &gamma_gradient, &beta_gradient})
    *buffer = Buffer<float>(width);
  const Index groups = paired() ? piece_count(n_rows(), GROUP_ROWS) : GROUPS;
  group_gradients = Buffer<float>(groups * 2 * width);
}

void LinearMap::pair(const LinearMapSpec& spec, const Kernels& kernels, int threads) {
  const std::vector<int32_t> live(columns.begin(), columns.begin() + live_columns);
  const KeptBits bits(spec.mask, rows, live, threads);
  choice = block_choice(kernels, bits);
  pairs = PairedRows(bits, choice.width, threads);
  constant_begin.push_back(0);
  for (int32_t row : rows) {
    for (Index c = live_columns; c < n_columns(); ++c)
      if (spec.mask.row(row)[columns[c]]) constant_column.push_back(c);
    constant_begin.push_back(constant_column.size());
  }
  if (spec.first) return;  // no gradient towards the pixels is needed
  const KeptBits turned = bits.transposed(threads);
  turned_choice = block_choice(kernels, turned);
  transposed = PairedRows(turned, turned_choice.width, threads);
  std::vector<uint32_t> slots(bits.entries());
  parallel_for(threads, pairs.pieces(), [&](Index piece) {
    pairs.for_each_entry(piece, [&](Index slot, Index r, Index c) { slots[bits.number(r, c)] = slot; });
  });
  // What fills up there comes from behind all weights.
  transposed_source.assign(transposed.slots(), paired_size());
  parallel_for(threads, transposed.pieces(), [&](Index piece) {
    transposed.for_each_entry(
        piece, [&](Index slot, Index c, Index r) { transposed_source[slot] = slots[bits.number(r, c)]; });
  });
}

Index LinearMap::paired_size() const { return pairs.slots() + in_vectors(std::ssize(constant_column)); }

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
