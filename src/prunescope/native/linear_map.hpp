// A linear map of a level's network: its kept entries, their numbers, and what a step computes there.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "pairs.hpp"
#include "parallel.hpp"

namespace prunescope {

// Parts whose sums are added up in this order: of columns over groups of a dense map's rows, of rows over
// chunks of a paired map's pieces, of weight gradients over halves of the tiles.
constexpr Index GROUPS = 16, CHUNKS = 4, HALVES = 2;

// Returns how the products with a matrix cut it into blocks.
BlockChoice block_choice(const Kernels& kernels, const KeptBits& bits);

// Returns the shares of a forward product, or of one for the input gradient, that keep all threads busy; they
// have no scratch memory yet.
std::vector<Share> divided(const PairedRows& pairs, const BlockChoice& choice, Index tiles, Index threads);

// Returns memory of the calling thread for at least `size` floats; the next call may return the same.
float* scratch_memory(Index size);

// Calls task(share) for these shares, each with scratch memory, on at most `threads` threads.
template <class F>
void for_each_share(int threads, const PairedRows& pairs, const BlockChoice& choice, Index tiles, F task) {
  const std::vector<Share> all = divided(pairs, choice, tiles, threads);
  parallel_for(threads, std::ssize(all), [&](Index number) {
    Share own = all[number];
    own.scratch = scratch_memory(scratch_size(choice.width, own.groups.end - own.groups.begin));
    task(own);
  });
}

// How many moments the rule remembers of each parameter.
constexpr int moment_count(Rule rule) { return rule == Rule::adam ? 2 : rule == Rule::momentum ? 1 : 0; }

// The values of a parameter, and of the moments that its rule remembers.
struct Parameter {
  Parameter() = default;
  Parameter(Index size, Rule rule);

  ParameterView view() { return {value.get(), first_moment.get(), second_moment.get()}; }

  Buffer<float> value, first_moment, second_moment;
};

// The arrays of a layer, as Python names them.
enum class Field { weight, bias, gamma, beta, mean, variance };

// What a map is made of. Its rows are the units that are computed. Its columns are the inputs that they read:
// first those that vary, which are `live_columns`, then those that are constant, whose normalised value is 0.
struct LinearMapSpec {
  MaskView mask;                       // of the whole layer, [n_out, n_in]
  std::vector<int32_t> rows, columns;  // indices into the mask
  Index live_columns;
  std::vector<uint8_t> bias_kept;  // one entry a row
  bool dense;                      // products go to BLAS, pruned weights among them as zeros
  bool first, last;                // in the network
};

struct LinearMap {
  LinearMap(LinearMapSpec spec, const Kernels& kernels, Rule rule, int threads);

  // Copies the entries kept here into a whole array of the layer (weight [n_out, n_in], bias [n_out], else
  // [n_in]), or out of one. Slot 0 is the value, slots 1 and 2 are the optimizer's moments.
  void read(Field field, int slot, float* whole) const;
  void write(Field field, int slot, const float* whole);

  Index n_rows() const { return std::ssize(rows); }
  Index n_columns() const { return std::ssize(columns); }
  // Whether products go over the kept weights alone.
  bool paired() const { return !dense && !thin; }
  ConstantEntries constants() const { return {constant_begin.data(), constant_column.data(), pairs.slots()}; }

  // Makes the orders of a paired map.
  void pair(const LinearMapSpec& spec, const Kernels& kernels, int threads);
  // The weights of a paired map with those that only fill up.
  Index paired_size() const;

  Index n_out, n_in;  // of the whole layer
  std::vector<int32_t> rows, columns;
  Index live_columns;
  bool dense, last;
  bool thin = false;  // an output layer too thin for BLAS, with every weight kept
  std::vector<uint8_t> bias_kept;

  PairedRows pairs, transposed;       // paired maps: of the live columns, and the same for the input gradient
  BlockChoice choice, turned_choice;  // how they are cut
  std::vector<uint32_t> constant_begin, constant_column;  // paired maps: see ConstantEntries
  std::vector<uint32_t> transposed_source;                // the slot in `pairs` of each slot in `transposed`
  Index pitch = 0;                                        // other maps: floats in a row
  Buffer<float> kept;  // other maps: 1 where a weight is trained; empty where all are
  Parameter weight, bias, gamma, beta;

  Buffer<float> folded, folded_bias;  // weights and biases with batch norm in them
  Buffer<double> constant;            // paired maps: what is folded into the biases, [chunk][row]
  // Of a dense map in bf16: its inputs and folded weights, rounded; as floats the weights are in `folded`.
  Buffer<float> rounded_inputs;
  Buffer<uint16_t> narrow_inputs, narrow_weights;
  Buffer<float> transposed_weight;  // folded weights in the order of `transposed`
  Buffer<float> gradient, row_sum;  // paired maps: HALVES of each, one after the other
  // Of the columns: the batch's statistics; the affine map that normalises; gamma and beta as the update sees
  // them; the moving averages; what the input gradient subtracts.
  Buffer<float> mean, inverse_deviation, scale, offset, norm_gamma, norm_beta;
  Buffer<float> average_mean, average_variance, shift, slope;
  Buffer<float> gamma_gradient, beta_gradient;
  Buffer<float> group_gradients;  // [group][gamma | beta][column]
  // The statistics of each tile's rows [tile][row], for the norm of the next map.
  Buffer<float> tile_mean, tile_squared_deviations;
};

}  // namespace prunescope
