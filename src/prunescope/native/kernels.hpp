// The table of inner loops, compiled once for each instruction set, and the values that they take.
//
// The loops are serial, and each call works on one tile of 64 samples unless it says otherwise. Activations
// are feature-major: one vector instruction works on several samples, and a weight is loaded once for all.
#pragma once

#include <cstdint>

#include "views.hpp"

namespace prunescope {

constexpr Index PADDING = 16;     // columns behind a pattern's last entry that may be read
constexpr int BYTE_OFFSET = 128;  // pixels are kept as signed bytes: byte - BYTE_OFFSET

// The kept entries of a matrix by rows (CSR): row r has the entries begin[r] <= k < begin[r + 1], and entry k
// lies in column[k]. The inputs of the entries before live_end[r] vary with the sample. Those of the others
// are constant, and their normalised value is 0.
struct SparseRows {
  const uint32_t* begin;
  const uint32_t* live_end;
  const uint32_t* column;
  Index live_columns;  // the columns whose inputs vary: these are the first ones
};

struct SparseMatrix {
  SparseRows pattern;
  const float* weight;  // one an entry
};

// The same entries in blocks of `width` neighbouring columns, so that a block's inputs stay in the first
// cache. Block q has the segments first[q] <= s < first[q + 1]; segment s has the entries begin[s] <= k <
// begin[s + 1] of row row[s]. column[k] counts from the block's first column. Within a block the longest
// segments come first: a branch predictor can follow runs of equal length.
struct ColumnBlocks {
  Index count, width, rows, columns;
  const uint32_t* first;
  const uint32_t* row;
  const uint32_t* begin;
  const uint32_t* column;
};

struct BlockedMatrix {
  ColumnBlocks pattern;
  const float* weight;  // one an entry, in the order of the blocks
};

// A matrix that keeps every entry; its rows start `pitch` floats apart.
struct DenseMatrix {
  const float* weight;
  Index pitch;
  Index rows, columns;
};

// The mean and the sum of squared deviations of rows of samples, one entry a row. Null: they are not wanted.
struct Statistics {
  float* mean;
  float* squared_deviations;

  INLINE Statistics from(Index row) const {
    return mean ? Statistics{mean + row, squared_deviations + row} : Statistics{nullptr, nullptr};
  }
};

// What is done to a row of sums once all products are added up: it gets its bias; `relu` rectifies it and
// makes it 0 from sample `valid` on; its statistics over the valid samples are written.
struct Epilogue {
  const float* bias;
  bool relu;
  Index valid;
  Statistics statistics;
};

// Where the gradient of a matrix's weights goes, and the sums of delta over the samples, one a row.
struct WeightGradient {
  float* weight;
  float* row_sum;
};

// The same for a dense matrix. Null: nobody asks for the sums.
struct DenseGradient {
  float* weight;
  Index pitch;
  Index rows;
  float* row_sum;
};

// What the gradient towards an input h subtracts because batch norm centres and scales over the batch, one
// entry a column: shift + (h - mean) slope.
struct InputGradientTerms {
  const float* mean;
  const float* shift;
  const float* slope;
};

// Batch norm as the affine map x scale + offset of each input, one entry a column.
struct Affine {
  const float* scale;
  const float* offset;
};

// Where the weights and biases go into which batch norm has been folded.
struct FoldedMap {
  float* weight;
  float* bias;
};

// What the gradients of the parameters need to know about a map's inputs, one entry a column.
struct InputNorm {
  const float* mean;               // over the batch; 0 without batch norm
  const float* inverse_deviation;  // 1 / sigma; 0 where an input does not vary
  const float* gamma;
  const float* beta;
};

enum class Rule { sgd, momentum, adam };

// The numbers of one update, as the torch engine does it; those that the rule does not use are 0.
struct UpdateFactors {
  Rule rule;
  float rate;          // adam: the learning rate / (1 - beta1^t)
  float momentum;      // momentum
  float first_share;   // adam: 1 - beta1
  float second_decay;  // adam: beta2
  float second_share;  // adam: 1 - beta2
  float correction;    // adam: 1 - beta2^t
  float epsilon;       // adam
};

// A parameter and the moments that its update rule remembers; null: it remembers none.
struct ParameterView {
  float* value;
  float* first_moment;
  float* second_moment;

  INLINE ParameterView from(Index place) const {
    return {value + place, first_moment ? first_moment + place : nullptr,
            second_moment ? second_moment + place : nullptr};
  }
};

// An update of weights. Its gradient is the raw one, against the inputs as they are before the norm.
struct WeightUpdate {
  const float* gradient;  // one an entry, as the weights
  const float* row_sum;   // of delta, one a row
  InputNorm inputs;
  UpdateFactors factors;
  ParameterView weight;
  float* gamma_gradient;  // the rows' shares are added, one entry a column
  float* beta_gradient;
};

// The layout of the weights of a dense matrix in training.
struct DenseLayout {
  Index pitch;
  Index live_columns;
  const float* kept;  // 1 for a weight that is trained, 0 for a pruned one; null: all are trained
};

// The logits of one tile, one feature a class, and the valid samples' labels.
struct LabelledLogits {
  Tile<float> logits;
  Index classes;
  const int64_t* labels;
  Index valid;
};

struct TileScore {
  double loss;
  int64_t correct5;
};

// Rows of pixels in row-major order: those of the tile's valid samples.
template <class T>
struct ImageRows {
  const T* const* rows;
  Index valid;
  Index width;
};

// The pixels that are wanted, in ascending order.
struct PixelList {
  const uint32_t* pixel;
  Index count;
};

// Sums and sums of squares of pixels over the valid samples, one entry a pixel. Null: they are not wanted.
struct ByteSums {
  int32_t* sum;
  int32_t* squares;
};

struct Kernels {
  const char* name;

  // Computes sum_k weight[k] input[column[k]] of every row in `rows`, and its epilogue.
  void (*forward_f32)(const SparseMatrix&, Range rows, Tile<const float> input, Tile<float> output,
                      const Epilogue&);
  void (*forward_i8)(const SparseMatrix&, Range rows, Tile<const int8_t> input, Tile<float> output,
                     const Epilogue&);
  // Computes the same for all rows by blocks. Every sum has the same order, so results are the same to the
  // bit. `scratch` holds width * TILE floats.
  void (*forward_blocks)(const BlockedMatrix&, Tile<const int8_t> input, Tile<float> output, const Epilogue&,
                         float* scratch);
  // Computes the same for a matrix of a few rows that keeps every entry, in the same order, with no epilogue
  // but the bias and zeros from sample `valid` on.
  void (*forward_thin)(const DenseMatrix&, Tile<const float> input, Tile<float> output, const float* bias,
                       Index valid);
  // Does the epilogue alone, for rows of products that were made elsewhere.
  void (*finish_rows)(Index rows, Tile<float> output, const Epilogue&);

  // Adds, for every row in `rows`, the sums over samples of delta[r] input[column[k]] to weight[k] and those
  // of delta[r] to row_sum[r].
  void (*weight_gradient_f32)(const SparseRows&, Range rows, Tile<const float> delta, Tile<const float> input,
                              const WeightGradient&);
  void (*weight_gradient_i8)(const SparseRows&, Range rows, Tile<const float> delta, Tile<const int8_t> input,
                             const WeightGradient&);
  // Adds the same for all rows by blocks; `scratch` holds width * TILE floats.
  void (*weight_gradient_blocks)(const ColumnBlocks&, Tile<const float> delta, Tile<const int8_t> input,
                                 const WeightGradient&, float* scratch);
  // Writes the same sums over all tiles, for some columns of a matrix of a few rows that keeps every entry.
  void (*weight_gradient_thin)(const DenseGradient&, Range columns, Index tiles, Tiles<const float> delta,
                               Tiles<const float> input);

  // Writes the sums of delta alone, of each row in `rows`.
  void (*row_sums)(Range rows, Tiles<const float> delta, Index tiles, float* sum);

  // Computes the gradient towards the sums that a hidden unit h rectified, and writes it over h, for every
  // unit in `columns`: sum_k weight[k] delta[column[k]], less the terms, where h > 0, else 0. The matrix is
  // the transposed one.
  void (*input_gradient)(const SparseMatrix& transposed, Range columns, Tile<const float> delta,
                         Tile<float> hidden, const InputGradientTerms&);
  // Does the last part alone, for one column's row of products that was made elsewhere.
  void (*finish_input_gradient)(const float* product, float* hidden, const InputGradientTerms&, Index column);

  // Folds batch norm into the weights and biases of every row in `rows`: weight[k] scale[column[k]], and
  // bias[r] + sum_k weight[k] offset[column[k]].
  void (*fold)(const SparseMatrix&, Range rows, const Affine&, const float* bias, const FoldedMap&);
  void (*fold_dense)(const DenseMatrix&, Range rows, const Affine&, const float* bias, const FoldedMap&);

  // Updates the weights of every row in `rows`, and adds the rows' shares of gamma's and beta's gradients.
  void (*update_weights)(const SparseRows&, Range rows, const WeightUpdate&);
  void (*update_dense_weights)(const DenseLayout&, Range rows, const WeightUpdate&);
  // Updates a plain vector of parameters.
  void (*update_vector)(Index size, const float* gradient, const UpdateFactors&, const ParameterView&);

  // Writes the loss's gradient, (softmax - one-hot) per_sample, over the logits; it is 0 from sample `valid`
  // on. Returns the valid samples' summed loss.
  double (*cross_entropy)(const LabelledLogits&, float per_sample);
  // Writes to right[n] whether sample n's label has the largest logit. Returns how many have one of the five
  // largest (of equals the lower class comes first), and the summed loss; of valid samples alone. Overwrites
  // the logits.
  TileScore (*score)(const LabelledLogits&, uint8_t* right);

  // Writes the wanted pixels as signed bytes, feature-major; the samples that are not valid get 0.
  void (*gather_u8)(const ImageRows<uint8_t>&, const PixelList&, int8_t* output, const ByteSums&);
  void (*gather_f32)(const ImageRows<float>&, const PixelList&, Tile<float> output, const Statistics&);
  // Converts the samples of some features to float, from the layout that gather_u8 writes.
  void (*widen)(Index features, const int8_t* input, Tile<float> output);
  // Rounds input - shift to bfloat16, to nearest even: to floats, or to numbers of 16 bits.
  void (*round_bf16)(const float* input, Index size, float shift, float* output);
  void (*narrow_f32)(const float* input, Index size, float shift, uint16_t* output);
  void (*narrow_i8)(const int8_t* input, Index size, float shift, uint16_t* output);
};

extern const Kernels kernels_baseline;
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
extern const Kernels kernels_neon;

}  // namespace prunescope
