// Views of memory that they do not own: ranges of indices, tiles of activations, and masks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Functions of the headers that are compiled for several instruction sets are never linked: see kernels.cpp.
#define INLINE inline __attribute__((always_inline))

namespace prunescope {

// A count, a place or a distance in an array. It is signed, as the standard library's differences are.
using Index = std::ptrdiff_t;

// The number of samples whose values of one feature lie side by side in memory.
constexpr Index TILE = 64;

// The indices from `begin` up to, and without, `end`.
struct Range {
  Index begin, end;
};

// The activations of one tile: the TILE samples of feature f start at data + f * stride, on 64 bytes.
template <class T>
struct Tile {
  T* data;
  Index stride;

  INLINE T* feature(Index f) const { return data + f * stride; }
  INLINE Tile from(Index f) const { return {feature(f), stride}; }
  INLINE operator Tile<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {data, stride};
  }
};

// The activations of a batch: those of tile t start at data + t * tile_stride.
template <class T>
struct Tiles {
  T* data;
  Index stride;
  Index tile_stride;

  INLINE Tile<T> operator[](Index t) const { return {data + t * tile_stride, stride}; }
  INLINE operator Tiles<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {data, stride, tile_stride};
  }
};

// A mask in row-major order: an entry is kept where its byte is not 0.
struct MaskView {
  const uint8_t* data;
  Index rows, columns;

  INLINE const uint8_t* row(Index r) const { return data + r * columns; }
};

}  // namespace prunescope
