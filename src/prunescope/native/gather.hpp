// Images into feature-major tiles. See kernels.hpp; included by kernels.cpp, once for each instruction set.
#pragma once

#include <cstring>

#include "tiles.hpp"

namespace prunescope {
namespace {

typedef int8_t B16 __attribute__((vector_size(16)));

template <std::size_t... N>
INLINE B16 low_pairs(B16 a, B16 b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (N / 2 + (N % 2) * 16)...);
}
template <std::size_t... N>
INLINE B16 high_pairs(B16 a, B16 b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (8 + N / 2 + (N % 2) * 16)...);
}

// 16 x 16 bytes: four rounds of interleaving row i with row i + 8.
INLINE void transpose(B16* m) {
  constexpr auto bytes = std::make_index_sequence<16>{};
  for (int round = 0; round < 4; ++round) {
    B16 t[16];
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = low_pairs(m[i], m[i + 8], bytes);
      t[2 * i + 1] = high_pairs(m[i], m[i + 8], bytes);
    }
    for (int i = 0; i < 16; ++i) m[i] = t[i];
  }
}

void byte_sums(const int8_t* row, int valid, int32_t* sum, int32_t* squares) {
  int32_t s = 0, q = 0;
  if (valid == TILE) {
    for (int n = 0; n < TILE; ++n) {
      const int16_t x = row[n];
      s += x;
      q += x * x;
    }
  } else {
    for (int n = 0; n < valid; ++n) {
      s += row[n];
      q += row[n] * row[n];
    }
  }
  *sum = s;
  *squares = q;
}

void gather_u8(const uint8_t* const* rows, int valid, int width, const uint32_t* pixel, int n, int8_t* out,
               int32_t* sum, int32_t* squares) {
  constexpr int SPAN = 64;  // neighbouring bytes of 64 images at once, of which at least one is wanted
  alignas(64) int8_t block[SPAN][TILE];
  for (int i = 0; i < n;) {
    const int start = int(pixel[i]) / SPAN * SPAN, bytes = start + SPAN <= width ? SPAN : width - start;
    for (int group = 0; group < TILE; group += 16) {
      B16 m[SPAN / 16][16];
      for (int s = 0; s < 16; ++s) {
        alignas(64) uint8_t own[SPAN] = {};
        if (group + s < valid) {
          const uint8_t* from = rows[group + s] + start;
          if (bytes == SPAN) {
            __builtin_prefetch(from + 2 * SPAN);
            std::memcpy(own, from, SPAN);
          } else {
            std::memcpy(own, from, std::size_t(bytes));
          }
          for (int b = 0; b < SPAN; ++b) own[b] ^= BYTE_OFFSET;  // minus it; padding stays 0
        }
        for (int part = 0; part < SPAN / 16; ++part) std::memcpy(&m[part][s], own + 16 * part, 16);
      }
      for (int part = 0; part < SPAN / 16; ++part) {
        transpose(m[part]);
        for (int p = 0; p < 16; ++p) std::memcpy(&block[16 * part + p][group], &m[part][p], 16);
      }
    }
    for (; i < n && int(pixel[i]) < start + bytes; ++i) {
      const int8_t* row = block[pixel[i] - start];
      std::memcpy(out + long(i) * TILE, row, TILE);
      if (sum) byte_sums(row, valid, sum + i, squares + i);
    }
  }
}

void gather_f32(const float* const* rows, int valid, const uint32_t* pixel, int n, float* out, long stride,
                float* mean, float* squares) {
  const Valid lanes(valid);
  for (int i = 0; i < n; i += W) {
    const int some = i + W < n ? W : n - i;
    for (int e = i; e < i + some; ++e)
      for (int s = 0; s < TILE; ++s) out[e * stride + s] = s < valid ? rows[s][pixel[e]] : 0.0f;
    if (mean) spread(out + i * stride, stride, some, lanes, valid, mean + i, squares + i);
  }
}

}  // namespace
}  // namespace prunescope
