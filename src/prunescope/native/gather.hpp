// The gathering of a batch's images into feature-major tiles of the wanted pixels.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include <cstring>

#include "tiles.hpp"

namespace prunescope {
namespace {

typedef int8_t ByteVector __attribute__((vector_size(16)));

template <std::size_t... N>
INLINE ByteVector low_pairs(ByteVector a, ByteVector b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (N / 2 + (N % 2) * 16)...);
}
template <std::size_t... N>
INLINE ByteVector high_pairs(ByteVector a, ByteVector b, std::index_sequence<N...>) {
  return __builtin_shufflevector(a, b, (8 + N / 2 + (N % 2) * 16)...);
}

// Transposes 16 x 16 bytes, in four rounds that interleave row i with row i + 8.
INLINE void transpose(ByteVector* m) {
  constexpr auto bytes = std::make_index_sequence<16>{};
  for (int round = 0; round < 4; ++round) {
    ByteVector t[16];
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = low_pairs(m[i], m[i + 8], bytes);
      t[2 * i + 1] = high_pairs(m[i], m[i + 8], bytes);
    }
    for (int i = 0; i < 16; ++i) m[i] = t[i];
  }
}

void byte_sums(const int8_t* row, Index valid, int32_t* sum, int32_t* squares) {
  int32_t s = 0, q = 0;
  if (valid == TILE) {
    for (Index n = 0; n < TILE; ++n) {
      const int16_t x = row[n];
      s += x;
      q += x * x;
    }
  } else {
    for (Index n = 0; n < valid; ++n) {
      s += row[n];
      q += row[n] * row[n];
    }
  }
  *sum = s;
  *squares = q;
}

// Neighbouring bytes of 64 images are transposed together where at least one of them is wanted.
void gather_u8(const ImageRows<uint8_t>& images, const PixelList& wanted, int8_t* output,
               const ByteSums& to) {
  constexpr int SPAN = 64;  // neighbouring bytes
  const uint32_t* pixel = wanted.pixel;
  alignas(64) int8_t block[SPAN][TILE];
  for (Index i = 0; i < wanted.count;) {
    const Index start = pixel[i] / SPAN * SPAN,
                bytes = start + SPAN <= images.width ? SPAN : images.width - start;
    for (int group = 0; group < TILE; group += 16) {
      ByteVector m[SPAN / 16][16];
      for (int s = 0; s < 16; ++s) {
        alignas(64) uint8_t own[SPAN] = {};
        if (group + s < images.valid) {
          const uint8_t* from = images.rows[group + s] + start;
          if (bytes == SPAN) {
            __builtin_prefetch(from + 2 * SPAN);
            std::memcpy(own, from, SPAN);
          } else {
            std::memcpy(own, from, bytes);
          }
          for (int b = 0; b < SPAN; ++b) own[b] ^= BYTE_OFFSET;  // which subtracts it; padding stays 0
        }
        for (int part = 0; part < SPAN / 16; ++part) std::memcpy(&m[part][s], own + 16 * part, 16);
      }
      for (int part = 0; part < SPAN / 16; ++part) {
        transpose(m[part]);
        for (int p = 0; p < 16; ++p) std::memcpy(&block[16 * part + p][group], &m[part][p], 16);
      }
    }
    for (; i < wanted.count && pixel[i] < start + bytes; ++i) {
      const int8_t* row = block[pixel[i] - start];
      std::memcpy(output + i * TILE, row, TILE);
      if (to.sum) byte_sums(row, images.valid, to.sum + i, to.squares + i);
    }
  }
}

void gather_f32(const ImageRows<float>& images, const PixelList& wanted, Tile<float> output,
                const Statistics& statistics) {
  const SampleMask mask(images.valid);
  for (Index i = 0; i < wanted.count; i += WIDTH) {
    const int count = i + WIDTH < wanted.count ? WIDTH : wanted.count - i;
    for (Index e = i; e < i + count; ++e)
      for (Index s = 0; s < TILE; ++s)
        output.feature(e)[s] = s < images.valid ? images.rows[s][wanted.pixel[e]] : 0.0f;
    if (statistics.mean) row_statistics(output.from(i), count, mask, statistics.from(i));
  }
}

}  // namespace
}  // namespace prunescope
