// The table of one instruction set, which PRUNESCOPE_ISA names.
//
// No function of the standard library that could be linked is used in the files included here, and the
// functions of views.hpp and kernels.hpp are always inlined: the linker might take this copy of one, which
// only some processors can run, for code that must run on all.
#include "kernels.hpp"

#include <cstring>

#include "fold.hpp"
#include "gather.hpp"
#include "loss.hpp"
#include "optimizers.hpp"
#include "products.hpp"
#include "thin_products.hpp"

namespace prunescope {
namespace {

void widen(Index features, const int8_t* input, Tile<float> output) {
  for (Index f = 0; f < features; ++f)
    for (int i = 0; i < VECTORS; ++i)
      store_past_caches(output.feature(f) + i * WIDTH, load(input + f * TILE + i * WIDTH));
  stored_past_caches();
}

// A tile's values are added up as floats, the tiles' sums as doubles.
void row_sums(Range rows, Tiles<const float> delta, Index tiles, float* sums) {
  for (Index r = rows.begin; r < rows.end; ++r) {
    double total = 0;
    for (Index t = 0; t < tiles; ++t) {
      const float* samples = delta[t].feature(r);
      Vector part = load(samples);
      for (int i = 1; i < VECTORS; ++i) part += load(samples + i * WIDTH);
      total += sum(part);
    }
    sums[r] = total;
  }
}

INLINE uint32_t bf16_bits(float value) {  // in the upper half
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  const bool number = (bits & 0x7fffffffu) <= 0x7f800000u;
  return number ? bits + 0x7fffu + ((bits >> 16) & 1u) : bits;
}

void round_bf16(const float* input, Index size, float shift, float* output) {
  for (Index i = 0; i < size; ++i)
    output[i] = __builtin_bit_cast(float, bf16_bits(input[i] - shift) & 0xffff0000u);
}

template <class T>
void narrow_bf16(const T* input, Index size, float shift, uint16_t* output) {
  for (Index i = 0; i < size; ++i) output[i] = bf16_bits(input[i] - shift) >> 16;
}

}  // namespace

#define JOIN(a, b) a##b
#define TABLE(isa) JOIN(kernels_, isa)
#define TEXT(x) #x
#define NAME(isa) TEXT(isa)

const Kernels TABLE(PRUNESCOPE_ISA) = {
    .name = NAME(PRUNESCOPE_ISA),
    .blocks = BLOCK_CHOICES,
    .forward_f32 = forward<float>,
    .forward_i8 = forward<int8_t>,
    .forward_thin = forward_thin,
    .finish_rows = finish_rows,
    .weight_gradient_f32 = weight_gradient<float>,
    .weight_gradient_i8 = weight_gradient<int8_t>,
    .weight_gradient_thin = weight_gradient_thin,
    .row_sums = row_sums,
    .input_gradient = input_gradient,
    .input_gradient_thin = input_gradient_thin,
    .finish_input_gradient = finish_input_gradient,
    .fold = fold,
    .fold_dense = fold_dense,
    .update_weights = update_weights,
    .update_constant = update_constant,
    .update_dense_weights = update_dense_weights,
    .update_vector = update_vector,
    .cross_entropy = cross_entropy,
    .score = score,
    .gather_u8 = gather_u8,
    .gather_f32 = gather_f32,
    .widen = widen,
    .round_bf16 = round_bf16,
    .narrow_f32 = narrow_bf16<float>,
    .narrow_i8 = narrow_bf16<int8_t>,
};

}  // namespace prunescope
