// Where a sparse matrix keeps its entries: by row, by column, and in blocks of columns.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace prunescope {

constexpr int BLOCK_WIDTH =
    256;  // columns of a block: their 64 float samples fill 64 KB, a part of the second cache

class Pattern {
 public:
  Pattern() = default;
  // Entry (r, c) is kept where mask[rows[r] * n_in + columns[c]] is not 0; columns before n_live vary.
  Pattern(const uint8_t* mask, int n_in, const std::vector<int>& rows, const std::vector<int>& columns,
          int n_live);

  void transpose();        // fills by_column() and source
  void cut_into_blocks();  // fills blocks() and block_source
  std::size_t entries() const { return begin.empty() ? 0 : begin.back(); }
  bool has_blocks() const { return !block_first.empty(); }

  Rows by_row() const { return {begin.data(), live_end.data(), column.data(), n_live}; }
  Rows by_column() const { return {t_begin.data(), t_begin.data() + 1, t_row.data(), int(begin.size()) - 1}; }
  Blocks blocks() const {
    return {int(block_first.size()) - 1, BLOCK_WIDTH,        n_live, block_first.data(), block_row.data(),
            block_begin.data(),          block_column.data()};
  }

  int n_live = 0;
  std::vector<uint32_t> begin, live_end, column;
  std::vector<uint32_t> t_begin, t_row, source;  // source: entry number by row
  std::vector<uint32_t> block_first, block_row, block_begin, block_column, block_source;
};

}  // namespace prunescope
