// The three orders of a sparsity pattern's entries. See pattern.hpp.
#include "pattern.hpp"

#include <algorithm>
#include <stdexcept>

namespace prunescope {

Pattern::Pattern(const MaskView& mask, const std::vector<int32_t>& rows, const std::vector<int32_t>& columns,
                 Index live)
    : live_columns_(live) {
  begin.push_back(0);
  std::vector<uint32_t> found(columns.size() + 1);
  for (int32_t row : rows) {
    const uint8_t* kept = mask.row(row);
    // Appends the kept entries of some columns, and returns how many entries there are now. A column is
    // written whether it is kept or not: a branch that depends on a random mask costs more than the rest.
    const auto append = [&](Index from, Index to) -> uint32_t {
      Index count = 0;
      for (Index c = from; c < to; ++c) {
        found[count] = c;
        count += kept[columns[c]] != 0;
      }
      column.insert(column.end(), found.begin(), found.begin() + count);
      return column.size();
    };
    live_end.push_back(append(0, live));
    begin.push_back(append(live, std::ssize(columns)));
    if (column.size() > 0x7fffffffu) throw std::length_error("a sparse layer holds at most 2^31 weights");
  }
  column.resize(column.size() + PADDING);
}

void Pattern::transpose() {
  transposed_begin_.assign(live_columns_ + 1, 0);
  for (Index r = 0; r < rows(); ++r)
    for (uint32_t k = begin[r]; k < live_end[r]; ++k) ++transposed_begin_[column[k] + 1];
  for (Index c = 0; c < live_columns_; ++c) transposed_begin_[c + 1] += transposed_begin_[c];
  transposed_row_.resize(transposed_begin_.back() + PADDING);
  transposed_source.resize(transposed_begin_.back());
  std::vector<uint32_t> next(transposed_begin_.begin(), transposed_begin_.end() - 1);
  for (Index r = 0; r < rows(); ++r)
    for (uint32_t k = begin[r]; k < live_end[r]; ++k) {
      const uint32_t to = next[column[k]]++;
      transposed_row_[to] = r;
      transposed_source[to] = k;
    }
}

void Pattern::cut_into_blocks() {
  block_first_.push_back(0);
  block_begin_.push_back(0);
  std::vector<uint32_t> next(begin.begin(), begin.end() - 1), order(rows()), length(rows());
  for (Index first = 0; first < live_columns_; first += BLOCK_WIDTH) {
    for (Index r = 0; r < rows(); ++r) {
      uint32_t end = next[r];
      while (end < live_end[r] && column[end] < first + BLOCK_WIDTH) ++end;
      length[r] = end - next[r];
      order[r] = r;
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return length[a] > length[b]; });
    for (uint32_t r : order) {
      if (length[r] == 0) break;
      for (uint32_t k = 0; k < length[r]; ++k) {
        block_source.push_back(next[r]);
        block_column_.push_back(column[next[r]++] - first);
      }
      block_row_.push_back(r);
      block_begin_.push_back(block_column_.size());
    }
    block_first_.push_back(block_row_.size());
  }
  block_column_.resize(block_column_.size() + PADDING);
}

}  // namespace prunescope
