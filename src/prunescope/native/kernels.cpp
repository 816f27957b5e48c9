// The table of one instruction set, which PRUNESCOPE_ISA names; see kernels.hpp.
//
// No inline function of the standard library is used in the files included here: the linker might take
// this copy of it for code that runs on older processors.
#include "kernels.hpp"

#include <cstring>

#include "gather.hpp"
#include "loss.hpp"
#include "products.hpp"
#include "updates.hpp"
#include "whole.hpp"

namespace prunescope {
namespace {

void widen(const int8_t* in, float* out) {
  for (int i = 0; i < VECTORS; ++i) store(out + i * W, load(in + i * W));
}

void round_bf16(const float* in, long n, float shift, float* out) {
  for (long i = 0; i < n; ++i) {
    const float value = in[i] - shift;
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffffu) <= 0x7f800000u) bits += 0x7fffu + ((bits >> 16) & 1u);  // to nearest even
    bits &= 0xffff0000u;
    std::memcpy(out + i, &bits, 4);
  }
}

}  // namespace

#define JOIN(a, b) a##b
#define TABLE(isa) JOIN(kernels_, isa)
#define TEXT(x) #x
#define NAME(isa) TEXT(isa)

const Kernels TABLE(PRUNESCOPE_ISA) = {
    .name = NAME(PRUNESCOPE_ISA),
    .forward_f32 = forward<float>,
    .forward_i8 = forward<int8_t>,
    .forward_blocks = forward_blocks,
    .forward_whole = forward_whole,
    .finish_rows = finish_rows,
    .weights_f32 = weights<float>,
    .weights_i8 = weights<int8_t>,
    .weights_blocks = weights_blocks,
    .weights_whole = weights_whole,
    .inputs = inputs,
    .finish_inputs = finish_inputs,
    .fold = fold,
    .fold_dense = fold_dense,
    .update = update,
    .update_dense = update_dense,
    .update_vector = update_vector,
    .cross_entropy = cross_entropy,
    .score = score,
    .gather_u8 = gather_u8,
    .gather_f32 = gather_f32,
    .widen = widen,
    .round_bf16 = round_bf16,
};

}  // namespace prunescope
