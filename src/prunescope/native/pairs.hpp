// The kept entries of a matrix in the order in which the products stream them: two rows at a time, by blocks
// of columns whose inputs stay in the first cache.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace prunescope {

// Which entries of a matrix are kept: one bit an entry, by row.
class KeptBits {
 public:
  KeptBits() = default;
  // Takes the entries of some of the mask's rows and columns.
  KeptBits(const MaskView& mask, const std::vector<int32_t>& rows, const std::vector<int32_t>& columns,
           int threads);

  // Returns the same entries with rows as columns.
  KeptBits transposed(int threads) const;

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }
  Index entries() const { return before_.back(); }
  // The words of a row; column c is bit c % 64 of word c / 64.
  const uint64_t* row(Index r) const { return bits_.data() + r * words_; }
  Index words() const { return words_; }
  // The number of a kept entry, counted row by row, in ascending columns.
  Index number(Index r, Index c) const {
    const Index word = r * words_ + c / 64;
    return before_[word] + __builtin_popcountll(bits_[word] & ((uint64_t(1) << (c % 64)) - 1));
  }

 private:
  KeptBits(Index rows, Index columns);
  void count();

  Index rows_ = 0, columns_ = 0, words_ = 0;
  std::vector<uint64_t> bits_;
  std::vector<uint32_t> before_;  // how many entries come before each word, and at last of all
};

// The order of the products, for blocks of `width` columns: see RowPairs in kernels.hpp.
class PairedRows {
 public:
  PairedRows() = default;
  // `width` is a multiple of 64, and less than 65536.
  PairedRows(const KeptBits& kept, Index width, int threads);

  RowPairs view() const;
  Index slots() const { return slot_.empty() ? 0 : slot_.back(); }
  Index pieces() const { return std::ssize(slot_) - 1; }
  // Calls task(slot, row, column) for the kept entries of a piece.
  template <class F>
  void for_each_entry(Index piece, F task) const {
    const Index block = piece / groups_;
    const auto column = [&](Index place) -> Index {
      return block * width_ + (wide_.empty() ? Index(narrow_[place]) : Index(wide_[place]));
    };
    Index slot = slot_[piece], place = place_[piece];
    for (Index v = first_[piece]; v < first_[piece + 1]; ++v) {
      const Visit& visit = visits_[v];
      for (Index e = 0; e < visit.both; ++e, slot += 2, ++place)
        for (int h = 0; h < 2; ++h) task(slot + h, Index(visit.row[h]), column(place));
      for (Index e = 0; e < visit.own; ++e, slot += 2, place += 2)
        for (int h = 0; h < (e < visit.own - visit.filled ? 2 : 1); ++h)
          task(slot + h, Index(visit.row[h]), column(place + h));
    }
  }

 private:
  // Pairs the rows of a piece, which is one block of one group.
  std::vector<Visit> paired(const KeptBits& kept, Index piece) const;
  // Writes the column numbers of a piece's visits.
  template <class C>
  void number_columns(const KeptBits& kept, Index piece, C* to) const;

  Index rows_ = 0, columns_ = 0, width_ = 0, blocks_ = 0, groups_ = 0;
  std::vector<uint32_t> first_, slot_, place_;
  std::vector<Visit> visits_;
  std::vector<uint8_t> narrow_;
  std::vector<uint16_t> wide_;
};

}  // namespace prunescope
