// A linear map of a level: which entries it keeps, their numbers, and what a step computes with them.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "pattern.hpp"

namespace prunescope {

constexpr int GROUPS = 16;  // of rows, over which column sums are added up in this order
constexpr int HALVES = 2;   // of the tiles, whose weight gradients are added up in this order

// How many numbers the rule remembers of each parameter.
constexpr int moments(Rule rule) { return rule == Rule::adam ? 2 : rule == Rule::momentum ? 1 : 0; }

struct Parameter {
  Parameter() = default;
  Parameter(std::size_t size, Rule rule);
  Buffer<float> value, first, second;  // the last two: what momentum and adam remember
};

enum class Field { weight, bias, gamma, beta, mean, variance };

// Its rows are the units that are computed, its columns the inputs they read: first those that vary (n_live),
// then those that are constant, whose normalised value is 0.
struct Map {
  // `mask` [n_out, n_in] bytes; `rows` and `columns` are indices into it.
  Map(const uint8_t* mask, int n_out, int n_in, std::vector<int> rows, std::vector<int> columns, int n_live,
      std::vector<uint8_t> bias_kept, bool dense, bool first, bool last, Rule rule);

  // Copy between a whole array of the layer (weight [n_out, n_in], …) and the entries kept here. slot 0 is
  // the value, 1 and 2 are the optimizer's.
  void read(Field field, int slot, float* whole) const;
  void write(Field field, int slot, const float* whole);

  int n_rows() const { return int(rows.size()); }
  int n_columns() const { return int(columns.size()); }

  int n_out, n_in;
  std::vector<int> rows, columns;
  int n_live;
  bool dense, last;
  bool whole = false;              // an output layer too thin for BLAS: sparse, with every weight kept
  std::vector<uint8_t> bias_kept;  // one entry a row

  Pattern pattern;     // sparse
  long pitch = 0;      // dense: floats in a row
  Buffer<float> kept;  // dense: 1 where a weight is trained; empty: everywhere
  Parameter weight, bias, gamma, beta;

  Buffer<float> folded, folded_bias;                // batch norm in weights and bias
  Buffer<float> t_weight, block_weight;             // folded weights in the pattern's other orders
  Buffer<float> gradient, block_gradient, row_sum;  // sparse: one part for each of HALVES
  // one entry a column: the batch's statistics; the affine map that normalises; what the update sees as gamma
  // and beta; the moving averages; what the input gradient subtracts; sums over rows
  Buffer<float> mean, inverse, scale, offset, norm_gamma, norm_beta, average_mean, average_variance, shift,
      slope;
  Buffer<float> by_gamma, by_beta, partial;  // partial: [group][gamma | beta][column]
  Buffer<float> tile_mean, tile_squares;     // one entry a tile and row, for the norm that follows
};

}  // namespace prunescope
