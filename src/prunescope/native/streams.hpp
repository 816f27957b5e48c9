// The kept weights of a piece, a vector of them at a time, in the order in which they are stored.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include "products.hpp"
#include "simd.hpp"

namespace prunescope {
namespace {

// Some neighbouring weights of a visit. Lanes belong to the visit's first and second row by turns.
struct Weights {
  Index slot;        // of the first lane's weight
  IntVector column;  // of each, counted from the block's first column; any column where there is no weight
  IntVector kept;    // -1 for the lanes that hold a kept weight, else 0
  bool shared;       // whether two neighbouring lanes have one column
};

INLINE IntVector numbers_of_lanes() {
  IntVector lane;
  for (int i = 0; i < WIDTH; ++i) lane[i] = i;
  return lane;
}

// Return WIDTH column numbers, and WIDTH / 2 of them, each in two lanes.
template <class C>
INLINE IntVector own_columns(const C* from) {
#if defined(__AVX512F__)
  if constexpr (sizeof(C) == 1)
    return (IntVector)_mm512_maskz_cvtepu8_epi32(0xffff,
                                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  else
    return (IntVector)_mm512_maskz_cvtepu16_epi32(0xffff,
                                                  _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#else
  IntVector columns;
  for (int i = 0; i < WIDTH; ++i) columns[i] = from[i];
  return columns;
#endif
}
template <class C>
INLINE IntVector shared_columns(const C* from) {
#if defined(__AVX512F__)
  const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return (IntVector)_mm512_maskz_permutexvar_epi32(0xffff, twice, (__m512i)own_columns(from));
#else
  IntVector columns;
  for (int i = 0; i < WIDTH; ++i) columns[i] = from[i / 2];
  return columns;
#endif
}

// Calls task(weights) for all weights of a visit, and moves on to the next visit's column numbers and slots.
// Column numbers behind the last one are read, and PADDING more are there.
template <class C, class F>
INLINE void for_each_vector(const Visit& visit, const C*& column, Index& slot, F task) {
  const IntVector lane = numbers_of_lanes();
  for (int left = 2 * visit.both; left > 0; left -= WIDTH) {
    const IntVector kept = lane < left;
    task(Weights{slot, shared_columns(column) & kept, kept, true});
    const int done = left < WIDTH ? left : WIDTH;
    slot += done, column += done / 2;
  }
  const int entries = 2 * (visit.own - visit.filled);  // from there on the second row has none
  for (int left = 2 * visit.own, begin = 0; left > 0; left -= WIDTH, begin += WIDTH) {
    const IntVector first_row = (lane & 1) == 0,
                    kept = (lane < left) & (first_row | (lane + begin < entries));
    task(Weights{slot, own_columns(column) & (lane < left), kept, false});
    const int done = left < WIDTH ? left : WIDTH;
    slot += done, column += done;
  }
}

// Calls task(visit, column, slot) for the visits of a piece; task moves column and slot on.
template <class F>
INLINE void for_each_visit(const RowPairs& pairs, Index piece, F task) {
  const auto visit_all = [&](auto* column) {
    Index slot = pairs.slot[piece];
    for (Index v = pairs.first[piece]; v < pairs.first[piece + 1]; ++v) task(pairs.visit[v], column, slot);
  };
  if (pairs.narrow)
    visit_all(pairs.narrow + pairs.place[piece]);
  else
    visit_all(pairs.wide + pairs.place[piece]);
}

}  // namespace
}  // namespace prunescope
