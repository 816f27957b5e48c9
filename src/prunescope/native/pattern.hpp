// The sparsity pattern of a matrix: where its kept entries lie by row, by column, and in blocks of columns.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace prunescope {

constexpr Index BLOCK_WIDTH = 256;  // columns of a block: 64 KB of float samples, a part of the second cache

class Pattern {
 public:
  Pattern() = default;
  // Takes the entries of some of the mask's rows and columns. The inputs of the first `live` columns vary.
  Pattern(const MaskView& mask, const std::vector<int32_t>& rows, const std::vector<int32_t>& columns,
          Index live);

  // Makes what by_column() and `transposed_source` give; only the entries of live columns are in it.
  void transpose();
  // Makes what blocks() and `block_source` give; only the entries of live columns are in it.
  void cut_into_blocks();

  Index entries() const { return begin.empty() ? 0 : begin.back(); }
  Index rows() const { return std::ssize(live_end); }
  bool has_blocks() const { return !block_first_.empty(); }

  SparseRows by_row() const {
    return {.begin = begin.data(),
            .live_end = live_end.data(),
            .column = column.data(),
            .live_columns = live_columns_};
  }
  SparseRows by_column() const {
    return {.begin = transposed_begin_.data(),
            .live_end = transposed_begin_.data() + 1,
            .column = transposed_row_.data(),
            .live_columns = rows()};
  }
  ColumnBlocks blocks() const {
    return {.count = std::ssize(block_first_) - 1,
            .width = BLOCK_WIDTH,
            .rows = rows(),
            .columns = live_columns_,
            .first = block_first_.data(),
            .row = block_row_.data(),
            .begin = block_begin_.data(),
            .column = block_column_.data()};
  }

  std::vector<uint32_t> begin, live_end, column;  // by row: see SparseRows
  // The place of each entry of the other two orders in the order by row.
  std::vector<uint32_t> transposed_source, block_source;

 private:
  Index live_columns_ = 0;
  std::vector<uint32_t> transposed_begin_, transposed_row_;
  std::vector<uint32_t> block_first_, block_row_, block_begin_, block_column_;
};

}  // namespace prunescope
