// One vector of floats of the instruction set that this file is compiled for, by compiler vector extensions.
//
// Everything here has internal linkage: the same names are compiled for several instruction sets.
#pragma once

#include <cstdint>
#include <utility>

#include "views.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace prunescope {
namespace {

// WIDTH is the number of lanes of a vector.
#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX2__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif

typedef float Vector __attribute__((vector_size(4 * WIDTH)));
typedef int32_t IntVector __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t UintVector __attribute__((vector_size(4 * WIDTH)));

INLINE Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
INLINE void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }
// Stores past the caches where the instruction set can, for what is read again only after much else; call
// `stored_past_caches` after the last such store, before others may read it.
INLINE void store_past_caches(float* p, Vector v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, v);
#else
  store(p, v);
#endif
}
INLINE void stored_past_caches() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// Returns x in every lane. `Vector{} + x` would cost an addition and a shuffle where x comes from memory.
INLINE Vector splat(float x) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(x);
#elif defined(__AVX2__)
  return _mm256_set1_ps(x);
#else
  return Vector{} + x;
#endif
}

// Returns the lanes for which `where` is not 0, and 0 in the others, whose memory is not touched.
INLINE Vector load_where(const float* p, IntVector where) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(_mm512_movepi32_mask((__m512i)where), p);
#elif defined(__AVX2__)
  return _mm256_maskload_ps(p, (__m256i)where);
#else
  Vector v{};
  for (int i = 0; i < WIDTH; ++i)
    if (where[i]) v[i] = p[i];
  return v;
#endif
}

// Writes the lanes for which `where` is not 0, and no other memory.
INLINE void store_where(float* p, IntVector where, Vector v) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, _mm512_movepi32_mask((__m512i)where), v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(p, (__m256i)where, v);
#else
  for (int i = 0; i < WIDTH; ++i)
    if (where[i]) p[i] = v[i];
#endif
}

INLINE Vector gather(const float* table, IntVector index) {
#if defined(__AVX512F__)
  return _mm512_mask_i32gather_ps(Vector{}, 0xffff, (__m512i)index, table, 4);
#elif defined(__AVX2__)
  return _mm256_i32gather_ps(table, (__m256i)index, 4);
#else
  Vector v;
  for (int i = 0; i < WIDTH; ++i) v[i] = table[index[i]];
  return v;
#endif
}

// Adds the lanes for which `where` is not 0 to table[index]; no two of them have the same index.
INLINE void scatter_add(float* table, IntVector index, IntVector where, Vector v) {
#if defined(__AVX512F__)
  const __mmask16 lanes = _mm512_movepi32_mask((__m512i)where);
  const Vector old = _mm512_mask_i32gather_ps(Vector{}, lanes, (__m512i)index, table, 4);
  _mm512_mask_i32scatter_ps(table, lanes, (__m512i)index, old + v, 4);
#else
  for (int i = 0; i < WIDTH; ++i)
    if (where[i]) table[index[i]] += v[i];
#endif
}

// Return a b + c, with one rounding where the instruction set can do that. In a b + c d the compiler chooses
// which of the two products is rounded, by the order of its statements: where results must not depend on
// that, this says it.
INLINE float multiply_add(float a, float b, float c) {
#if defined(__FMA__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
INLINE Vector multiply_add(Vector a, Vector b, Vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

INLINE Vector load(const int8_t* p) {
#if defined(__AVX512F__)
  const __m128i bytes = *reinterpret_cast<const __m128i*>(p);
  return _mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, bytes));
#elif defined(__AVX2__)
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
#else
  return Vector{float(p[0]), float(p[1]), float(p[2]), float(p[3])};
#endif
}

INLINE Vector select(IntVector where, Vector yes, Vector no) { return where ? yes : no; }
INLINE Vector rectified(Vector v) { return select(v < Vector{}, Vector{}, v); }  // a NaN stays one

// The lanes at even, and at odd, places of a and b one after the other.
template <std::size_t... N>
INLINE Vector even(Vector a, Vector b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (2 * N)...);
}
template <std::size_t... N>
INLINE Vector odd(Vector a, Vector b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (2 * N + 1)...);
}

// Adds up neighbouring lanes of N vectors, until these are lanes of one, in their order; overwrites v.
template <int N>
INLINE Vector neighbours_added(Vector* v) {
  constexpr auto lanes = std::make_index_sequence<WIDTH>{};
#pragma GCC unroll 4
  for (int n = N / 2; n > 0; n /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i)
      v[i] = even(v[2 * i], v[2 * i + 1], lanes) + odd(v[2 * i], v[2 * i + 1], lanes);
  return v[0];
}

// Returns the sum of the lanes of v[i] in lane i; overwrites v.
INLINE Vector sums(Vector* v) { return neighbours_added<WIDTH>(v); }

// Returns the first half of u + the second half of u, and behind it the same of v: half the lanes to be
// summed.
template <std::size_t... N>
INLINE Vector halves(Vector u, Vector v, std::index_sequence<N...>) {
  constexpr std::size_t HALF = WIDTH / 2;
  return __builtin_shufflevector(u, v, (N < HALF ? N : N + WIDTH)...) +
         __builtin_shufflevector(u, v, (N + HALF)...);
}
INLINE Vector halves(Vector u, Vector v) { return halves(u, v, std::make_index_sequence<WIDTH>{}); }

// Returns the sums of WIDTH / 2 such vectors' pairs, in their order.
INLINE Vector sums_of_halves(const Vector* from) {
  Vector v[WIDTH / 2];
#pragma GCC unroll 8
  for (int i = 0; i < WIDTH / 2; ++i) v[i] = from[i];
  return neighbours_added<WIDTH / 2>(v);
}

template <int by, std::size_t... N>
INLINE Vector plus_rotated(Vector v, std::index_sequence<N...>) {
  return v + __builtin_shufflevector(v, v, ((N + by) % WIDTH)...);
}

// Returns the sum of all lanes.
INLINE float sum(Vector v) {
  constexpr auto lanes = std::make_index_sequence<WIDTH>{};
  if constexpr (WIDTH >= 16) v = plus_rotated<8>(v, lanes);
  if constexpr (WIDTH >= 8) v = plus_rotated<4>(v, lanes);
  v = plus_rotated<2>(v, lanes);
  return plus_rotated<1>(v, lanes)[0];
}

template <int by, std::size_t... N>
INLINE Vector plus_rotated_in_halves(Vector v, std::index_sequence<N...>) {
  constexpr std::size_t HALF = WIDTH / 2;
  return v + __builtin_shufflevector(v, v, (N / HALF * HALF + (N + by) % HALF)...);
}
// Returns the sum of u in each lane of the first half, and that of v in each of the second.
INLINE Vector two_sums(Vector u, Vector v) {
  constexpr auto lanes = std::make_index_sequence<WIDTH>{};
  Vector h = halves(u, v);
  if constexpr (WIDTH >= 16) h = plus_rotated_in_halves<4>(h, lanes);
  if constexpr (WIDTH >= 8) h = plus_rotated_in_halves<2>(h, lanes);
  return plus_rotated_in_halves<1>(h, lanes);
}

// Returns the sum of each lane at an even place and the next one, in both of them.
template <std::size_t... N>
INLINE Vector plus_neighbour(Vector v, std::index_sequence<N...>) {
  return v + __builtin_shufflevector(v, v, (N ^ 1)...);
}
INLINE Vector plus_neighbour(Vector v) { return plus_neighbour(v, std::make_index_sequence<WIDTH>{}); }

// Returns the sums of the lanes at even and at odd places, in lanes 0 and 1.
INLINE Vector sums_by_turns(Vector v) {
  constexpr auto lanes = std::make_index_sequence<WIDTH>{};
  if constexpr (WIDTH >= 16) v = plus_rotated<8>(v, lanes);
  if constexpr (WIDTH >= 8) v = plus_rotated<4>(v, lanes);
  return plus_rotated<2>(v, lanes);
}

// Returns e^x as 2^k p(r) with x = k ln 2 + r and the polynomial p of Cephes' expf. For x <= 0 it is within 2
// units in the last place.
INLINE Vector exponential(Vector x) {
  x = select(x < splat(-87.0f), splat(-87.0f), x);
  const Vector shift = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  Vector k = x * splat(1.44269504088896341f) + shift;
  const UintVector power = __builtin_bit_cast(UintVector, k);
  k = k - shift;
  const Vector r = (x - k * splat(0.693359375f)) - k * splat(-2.12194440e-4f);
  Vector p = splat(1.9875691500e-4f);
  p = p * r + splat(1.3981999507e-3f);
  p = p * r + splat(8.3334519073e-3f);
  p = p * r + splat(4.1665795894e-2f);
  p = p * r + splat(1.6666665459e-1f);
  p = p * r + splat(5.0000001201e-1f);
  p = p * r * r + r + splat(1.0f);
  return p * __builtin_bit_cast(Vector, (power << 23) + (127u << 23));
}

}  // namespace
}  // namespace prunescope
