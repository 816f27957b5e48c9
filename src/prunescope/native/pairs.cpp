// The pairing of rows. See pairs.hpp.
#include "pairs.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "parallel.hpp"

namespace prunescope {
namespace {

constexpr Index WORD = 64;      // columns of a word of bits
constexpr Index NARROW = 256;   // the widest block whose column numbers are bytes
constexpr Index PARTNERS = 64;  // how many rows compete to be a row's partner
constexpr Index MOST_ENTRIES = 0x7fffffff - 65536;

// Transposes 64 x 64 bits, by exchanging ever smaller squares.
void transpose(uint64_t* m) {
  uint64_t mask = 0x00000000ffffffff;
  for (int n = 32; n > 0; n /= 2, mask ^= mask << n)
    for (int i = 0; i < 64; i = (i + n + 1) & ~n) {
      const uint64_t moved = ((m[i] >> n) ^ m[i + n]) & mask;
      m[i] ^= moved << n;
      m[i + n] ^= moved;
    }
}

// Calls task(column) for every bit that is set.
template <class F>
void for_each_bit(uint64_t word, Index first, F task) {
  for (; word; word &= word - 1) task(first + __builtin_ctzll(word));
}

}  // namespace

KeptBits::KeptBits(Index rows, Index columns)
    : rows_(rows), columns_(columns), words_(piece_count(columns, WORD)), bits_(rows * words_) {}

KeptBits::KeptBits(const MaskView& mask, const std::vector<int32_t>& rows,
                   const std::vector<int32_t>& columns, int threads)
    : KeptBits(std::ssize(rows), std::ssize(columns)) {
  parallel_for(threads, piece_count(rows_, GROUP_ROWS), [&](Index task) {
    const Range own = piece(rows_, GROUP_ROWS, task);
    for (Index r = own.begin; r < own.end; ++r) {
      const uint8_t* kept = mask.row(rows[r]);
      for (Index w = 0; w < words_; ++w) {
        const Range part = piece(columns_, WORD, w);
        uint64_t word = 0;
        for (Index c = part.begin; c < part.end; ++c)
          word |= uint64_t(kept[columns[c]] != 0) << (c - part.begin);
        bits_[r * words_ + w] = word;
      }
    }
  });
  count();
}

void KeptBits::count() {
  before_.resize(rows_ * words_ + 1);
  Index total = 0;
  for (Index w = 0; w < rows_ * words_; ++w) {
    before_[w] = total;
    total += __builtin_popcountll(bits_[w]);
    if (total > MOST_ENTRIES) throw std::length_error("a sparse layer holds at most 2^31 weights");
  }
  before_.back() = total;
}

KeptBits KeptBits::transposed(int threads) const {
  KeptBits other(columns_, rows_);
  parallel_for(threads, words_, [&](Index word) {
    uint64_t square[WORD];
    const Range columns = piece(columns_, WORD, word);
    for (Index w = 0; w < other.words_; ++w) {
      const Range rows = piece(rows_, WORD, w);
      std::fill(square, square + WORD, 0);
      for (Index r = rows.begin; r < rows.end; ++r) square[r - rows.begin] = bits_[r * words_ + word];
      transpose(square);
      for (Index c = columns.begin; c < columns.end; ++c)
        other.bits_[c * other.words_ + w] = square[c - columns.begin];
    }
  });
  other.count();
  return other;
}

PairedRows::PairedRows(const KeptBits& kept, Index width, int threads)
    : rows_(kept.rows()),
      columns_(kept.columns()),
      width_(width),
      blocks_(std::max<Index>(1, piece_count(columns_, width))),
      groups_(piece_count(rows_, GROUP_ROWS)) {
  const Index pieces = blocks_ * groups_;
  std::vector<std::vector<Visit>> found(pieces);
  parallel_for(threads, pieces, [&](Index piece) { found[piece] = paired(kept, piece); });
  first_.push_back(0), slot_.push_back(0), place_.push_back(0);
  for (const std::vector<Visit>& visits : found) {
    Index slots = 0, places = 0;
    for (const Visit& visit : visits) {
      slots += 2 * (visit.both + visit.own);
      places += visit.both + 2 * visit.own;
    }
    visits_.insert(visits_.end(), visits.begin(), visits.end());
    first_.push_back(visits_.size());
    slot_.push_back(slot_.back() + piece_count(slots, PADDING) * PADDING);
    place_.push_back(place_.back() + places);
  }
  visits_.push_back({{0, NOBODY}, 0, 0, 0});  // the visit after the last one is read too
  const bool narrow = width <= NARROW;
  narrow_.resize(narrow ? place_.back() + PADDING : 0);
  wide_.resize(narrow ? 0 : place_.back() + PADDING);
  parallel_for(threads, pieces, [&](Index piece) {
    if (narrow)
      number_columns(kept, piece, narrow_.data() + place_[piece]);
    else
      number_columns(kept, piece, wide_.data() + place_[piece]);
  });
}

RowPairs PairedRows::view() const {
  return {.rows = rows_,
          .columns = columns_,
          .width = width_,
          .blocks = blocks_,
          .groups = groups_,
          .first = first_.data(),
          .slot = slot_.data(),
          .place = place_.data(),
          .visit = visits_.data(),
          .narrow = wide_.empty() ? narrow_.data() : nullptr,
          .wide = wide_.empty() ? nullptr : wide_.data()};
}

// Rows are taken from the longest to the shortest. Of those that follow, the partner is the one with most
// columns in common, less two for every entry by which it is shorter: filling up costs more than sharing
// saves.
std::vector<Visit> PairedRows::paired(const KeptBits& kept, Index piece) const {
  const Index block = piece / groups_;
  const Range own = prunescope::piece(rows_, GROUP_ROWS, piece % groups_);
  const Index word = block * width_ / WORD, words = std::min(width_ / WORD, kept.words() - word);
  const Index partners =
      width_ <= NARROW ? PARTNERS : 1;  // in wide blocks rows have hardly a column in common
  const bool every_row =
      block == 0 || block == blocks_ - 1;  // sums begin and end there, also those of nothing
  std::vector<uint32_t> length(own.end - own.begin), order, after;
  for (Index r = own.begin; r < own.end; ++r) {
    Index bits = 0;
    for (Index w = 0; w < words; ++w) bits += __builtin_popcountll(kept.row(r)[word + w]);
    length[r - own.begin] = bits;
    if (bits > 0 || every_row) order.push_back(r);
  }
  const auto length_of = [&](Index i) -> Index { return length[order[i] - own.begin]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return length[a - own.begin] > length[b - own.begin]; });
  const auto common = [&](Index i, Index j) {
    const uint64_t *a = kept.row(order[i]) + word, *b = kept.row(order[j]) + word;
    Index bits = 0;
    for (Index w = 0; w < words; ++w) bits += __builtin_popcountll(a[w] & b[w]);
    return bits;
  };
  const Index n = std::ssize(order);
  std::vector<Visit> visits;
  visits.reserve(n / 2 + 1);
  after.resize(n);  // a linked list of those that have no partner yet
  std::iota(after.begin(), after.end(), 1);
  for (Index head = 0; head < n; head = after[head]) {
    const Index own_length = length_of(head);
    Index best = n, before_best = head, score = 0, before = head, tried = 0;
    for (Index i = after[head]; i < n && tried < partners; before = i, i = after[i], ++tried) {
      if (own_length > 0 && length_of(i) == 0) break;  // what would fill it up, it does not read anywhere
      const Index value = common(head, i) - 2 * (own_length - length_of(i));
      if (best == n || value > score) score = value, best = i, before_best = before;
    }
    Visit visit{{order[head], NOBODY}, 0, uint16_t(own_length), uint16_t(own_length)};
    if (best < n) {
      const Index both = common(head, best);
      visit = {{order[head], order[best]},
               uint16_t(both),
               uint16_t(own_length - both),
               uint16_t(own_length - length_of(best))};
      after[before_best] = after[best];
    }
    visits.push_back(visit);
  }
  // The number of steps hardly changes from one visit to the next, so a branch predictor can follow it.
  std::stable_sort(visits.begin(), visits.end(), [](const Visit& a, const Visit& b) {
    return a.both != b.both ? a.both > b.both : a.own > b.own;
  });
  return visits;
}

template <class C>
void PairedRows::number_columns(const KeptBits& kept, Index piece, C* to) const {
  const Index word = piece / groups_ * width_ / WORD, words = std::min(width_ / WORD, kept.words() - word);
  for (Index v = first_[piece]; v < first_[piece + 1]; ++v) {
    const Visit& visit = visits_[v];
    const uint64_t* a = kept.row(visit.row[0]) + word;
    const bool alone = visit.row[1] == NOBODY;
    const uint64_t* b = alone ? nullptr : kept.row(visit.row[1]) + word;
    C *shared = to, *first = to + visit.both, *second = first + 1;
    C some = 0;  // a column that the second row reads anyway, so that 0 times it adds nothing, also if it is
                 // infinite
    for (Index w = 0; w < words; ++w) {
      const uint64_t other = alone ? 0 : b[w];
      for_each_bit(a[w] & other, w * WORD, [&](Index c) { *shared++ = some = c; });
      for_each_bit(a[w] & ~other, w * WORD, [&](Index c) { *first = c, first += 2; });
      for_each_bit(other & ~a[w], w * WORD, [&](Index c) { *second = some = c, second += 2; });
    }
    to += visit.both + 2 * visit.own;
    for (; second < to; second += 2) *second = some;
  }
}

}  // namespace prunescope
