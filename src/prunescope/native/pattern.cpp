// See pattern.hpp.
#include "pattern.hpp"

#include <algorithm>
#include <stdexcept>

namespace prunescope {

Pattern::Pattern(const uint8_t* mask, int n_in, const std::vector<int>& rows, const std::vector<int>& columns,
                 int live)
    : n_live(live) {
  begin.push_back(0);
  const int n = int(columns.size());
  std::vector<uint32_t> found(columns.size() + 1);
  for (int row : rows) {
    const uint8_t* kept = mask + long(row) * n_in;
    // written whether kept or not: a branch that depends on a random mask costs more than the rest
    const auto look = [&](int from, int to) {
      std::size_t count = 0;
      for (int c = from; c < to; ++c) {
        found[count] = uint32_t(c);
        count += kept[columns[std::size_t(c)]] != 0;
      }
      column.insert(column.end(), found.begin(), found.begin() + std::ptrdiff_t(count));
      return uint32_t(column.size());
    };
    live_end.push_back(look(0, n_live));
    begin.push_back(look(n_live, n));
    if (column.size() > 0x7fffffffu) throw std::length_error("a sparse layer holds at most 2^31 weights");
  }
  column.resize(column.size() + PADDING);
}

void Pattern::transpose() {
  const std::size_t n_rows = live_end.size();
  t_begin.assign(std::size_t(n_live) + 1, 0);
  for (std::size_t r = 0; r < n_rows; ++r)
    for (uint32_t k = begin[r]; k < live_end[r]; ++k) ++t_begin[column[k] + 1];
  for (std::size_t c = 0; c < std::size_t(n_live); ++c) t_begin[c + 1] += t_begin[c];
  t_row.resize(t_begin.back() + PADDING);
  source.resize(t_begin.back());
  std::vector<uint32_t> next(t_begin.begin(), t_begin.end() - 1);
  for (std::size_t r = 0; r < n_rows; ++r)
    for (uint32_t k = begin[r]; k < live_end[r]; ++k) {
      const uint32_t to = next[column[k]]++;
      t_row[to] = uint32_t(r);
      source[to] = k;
    }
}

void Pattern::cut_into_blocks() {
  block_first.push_back(0);
  block_begin.push_back(0);
  const std::size_t n_rows = live_end.size();
  std::vector<uint32_t> next(begin.begin(), begin.end() - 1), order(n_rows), length(n_rows);
  for (uint32_t first = 0; first < uint32_t(n_live); first += BLOCK_WIDTH) {
    for (uint32_t r = 0; r < n_rows; ++r) {
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
        block_column.push_back(column[next[r]++] - first);
      }
      block_row.push_back(r);
      block_begin.push_back(uint32_t(block_column.size()));
    }
    block_first.push_back(uint32_t(block_row.size()));
  }
  block_column.resize(block_column.size() + PADDING);
}

}  // namespace prunescope
