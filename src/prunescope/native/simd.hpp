// One vector of floats of the instruction set this file is compiled for, by compiler vector extensions.
//
// Everything here has internal linkage: the same names are compiled for several instruction sets.
#pragma once

#include <cstdint>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace prunescope {
namespace {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float V __attribute__((vector_size(4 * W)));
typedef int32_t I __attribute__((vector_size(4 * W)));
typedef uint32_t U __attribute__((vector_size(4 * W)));

#define INLINE inline __attribute__((always_inline))

INLINE V load(const float* p) { return *reinterpret_cast<const V*>(p); }
INLINE void store(float* p, V v) { *reinterpret_cast<V*>(p) = v; }
INLINE V splat(float x) { return V{} + x; }

INLINE V load(const int8_t* p) {
#if defined(__AVX512F__)
  return (V)_mm512_maskz_cvtepi32_ps(
      0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, *reinterpret_cast<const __m128i*>(p)));
#elif defined(__AVX2__)
  return (V)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#else
  return V{float(p[0]), float(p[1]), float(p[2]), float(p[3])};
#endif
}

INLINE V select(I where, V yes, V no) { return where ? yes : no; }
INLINE V rectified(V v) { return select(v < V{}, V{}, v); }  // a NaN stays one

template <std::size_t... N>
INLINE V even(V a, V b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (2 * N)...);
}
template <std::size_t... N>
INLINE V odd(V a, V b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (2 * N + 1)...);
}

// Lane i of the result is the sum of the lanes of v[i]; v is overwritten.
INLINE V sums(V* v) {
  constexpr auto lanes = std::make_index_sequence<W>{};
#pragma GCC unroll 4
  for (int n = W / 2; n > 0; n /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i)
      v[i] = even(v[2 * i], v[2 * i + 1], lanes) + odd(v[2 * i], v[2 * i + 1], lanes);
  return v[0];
}

template <int by, std::size_t... N>
INLINE V plus_rotated(V v, std::index_sequence<N...>) {
  return v + __builtin_shufflevector(v, v, ((N + by) % W)...);
}

INLINE float sum(V v) {
  constexpr auto lanes = std::make_index_sequence<W>{};
  if constexpr (W >= 16) v = plus_rotated<8>(v, lanes);
  if constexpr (W >= 8) v = plus_rotated<4>(v, lanes);
  v = plus_rotated<2>(v, lanes);
  return plus_rotated<1>(v, lanes)[0];
}

// 2^k p(r) with x = k ln 2 + r, Cephes' expf polynomial; within 2 units in the last place for x <= 0.
INLINE V exponential(V x) {
  x = select(x < splat(-87.0f), splat(-87.0f), x);
  const V shift = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  V k = x * splat(1.44269504088896341f) + shift;
  const U power = (U)k;
  k = k - shift;
  const V r = (x - k * splat(0.693359375f)) - k * splat(-2.12194440e-4f);
  V p = splat(1.9875691500e-4f);
  p = p * r + splat(1.3981999507e-3f);
  p = p * r + splat(8.3334519073e-3f);
  p = p * r + splat(4.1665795894e-2f);
  p = p * r + splat(1.6666665459e-1f);
  p = p * r + splat(5.0000001201e-1f);
  p = p * r * r + r + splat(1.0f);
  return p * (V)((power << 23) + (127u << 23));
}

}  // namespace
}  // namespace prunescope
