// The table of inner loops, compiled once for each instruction set, and the values that they take.
//
// The loops are serial, and each call works on one tile of 64 samples unless it says otherwise. Activations
// are feature-major: one vector instruction works on several samples, and a weight is loaded once for all.
#pragma once

#include <cstdint>

#include "views.hpp"

namespace prunescope {

// The weights of a piece are a multiple of so many, and as many column numbers are there behind the last one.
constexpr Index PADDING = 16;
constexpr int BYTE_OFFSET = 128;  // pixels are kept as signed bytes: byte - BYTE_OFFSET

constexpr uint32_t NOBODY = 0xffffffff;
constexpr Index GROUP_ROWS = 256;  // rows among which pairs are made, and which one thread takes at a time

// Two rows of a matrix, in one block of columns. First come the `both` columns that both rows keep: one
// column number, and a weight of either row. Then come `own` steps of a further column of either row: two
// column numbers, two weights. In the last `filled` of them the second row has no entry left: its weight
// stays 0, and its column is one that the row reads anyway.
struct Visit {
  uint32_t row[2];  // the second is NOBODY where a row is alone
  uint16_t both, own, filled;
};

// The kept entries of a matrix, two rows at a time, by blocks of `width` columns and, within these, groups of
// rows. Piece block * groups + group has the visits first[piece] <= v < first[piece + 1]. Its weights start
// at slot[piece], and its column numbers, which count from the block's first column, at place[piece]. They
// are bytes, or 16-bit numbers where a block is wider than 256 columns. The first and the last block visit
// every row.
struct RowPairs {
  Index rows, columns, width, blocks, groups;
  const uint32_t* first;
  const uint32_t* slot;
  const uint32_t* place;
  const Visit* visit;     // one more is read
  const uint8_t* narrow;  // null where the numbers are wide
  const uint16_t* wide;
};

struct PairedMatrix {
  RowPairs pairs;
  const float* weight;  // one a slot
};

// What one call of a product does: groups of rows, and tiles.
struct Share {
  Range groups, tiles;
  bool two_tiles;  // at a time, where there are two
  float* scratch;  // see scratch_size
};

// The floats of scratch memory for such a call: the sums of its rows, and a block of inputs.
constexpr Index scratch_size(Index width, Index groups) {
  const Index block = width <= 256 ? width : 0;
  return 2 * TILE * (groups * GROUP_ROWS + 1 + block);
}

// Kept entries of columns whose inputs are constant, row by row. Their weights come behind all others, in
// this order.
struct ConstantEntries {
  const uint32_t* begin;  // of each row, and the end of the last
  const uint32_t* column;
  Index slot;  // of the first one's weight
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

// The same for the tiles of a batch; the statistics of a tile follow those of the tile before.
struct BatchEpilogue {
  const float* bias;
  bool relu;
  Index batch, rows;
  Statistics statistics;

  INLINE Epilogue at(Index tile) const {
    const Index left = batch - tile * TILE;
    return {bias, relu, left < TILE ? left : TILE, statistics.from(tile * rows)};
  }
};

// Where the gradient of a matrix's weights goes, one a slot, and the sums of delta over the samples, one a
// row.
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
  const float* gradient;        // one a weight
  const float* other_gradient;  // of kept weights: the other half of the batch's
  const float* row_sum;         // of delta, one a row
  Affine norm;
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

// From this density on, blocks are `width` columns wide, and the forward products (also those of the input
// gradient) and the weight gradient take two tiles at a time or one.
struct BlockChoice {
  float density;
  Index width;
  bool forward_two_tiles, gradient_two_tiles;
};

struct Kernels {
  const char* name;
  const BlockChoice* blocks;  // from the densest down; the last one's density is 0

  // Computes sum_k weight[k] input[column[k]] of every row of a share's groups, and its epilogue.
  void (*forward_f32)(const PairedMatrix&, const Share&, Tiles<const float> input, Tiles<float> output,
                      const BatchEpilogue&);
  void (*forward_i8)(const PairedMatrix&, const Share&, Tiles<const int8_t> input, Tiles<float> output,
                     const BatchEpilogue&);
  // Computes the same for one tile of a matrix of a few rows that keeps every entry, with no epilogue but the
  // bias and zeros from sample `valid` on.
  void (*forward_thin)(const DenseMatrix&, Tile<const float> input, Tile<float> output, const float* bias,
                       Index valid);
  // Does the epilogue alone, for rows of products that were made elsewhere.
  void (*finish_rows)(Index rows, Tile<float> output, const Epilogue&);

  // Writes, for every row of a share's groups, the sums over the share's samples of delta[r] input[column[k]]
  // to weight[k], and adds those of delta[r] to row_sum[r]. What is written for a slot without an entry means
  // nothing.
  void (*weight_gradient_f32)(const RowPairs&, const Share&, Tiles<const float> delta,
                              Tiles<const float> input, const WeightGradient&);
  void (*weight_gradient_i8)(const RowPairs&, const Share&, Tiles<const float> delta,
                             Tiles<const int8_t> input, const WeightGradient&);
  // Writes the same sums over all tiles, for some columns of a matrix of a few rows that keeps every entry.
  void (*weight_gradient_thin)(const DenseGradient&, Range columns, Index tiles, Tiles<const float> delta,
                               Tiles<const float> input);

  // Writes the sums of delta alone, of each row in `rows`.
  void (*row_sums)(Range rows, Tiles<const float> delta, Index tiles, float* sum);

  // Computes the gradient towards the sums that a hidden unit h rectified, and writes it over h, for every
  // unit in a share's groups: sum_k weight[k] delta[column[k]], less the terms, where h > 0, else 0. The
  // matrix is the transposed one.
  void (*input_gradient)(const PairedMatrix& transposed, const Share&, Tiles<const float> delta,
                         Tiles<float> hidden, const InputGradientTerms&);
  // Computes the same for one tile and some of the units below a matrix of a few rows that keeps every entry.
  void (*input_gradient_thin)(const DenseMatrix&, Range columns, Tile<const float> delta, Tile<float> hidden,
                              const InputGradientTerms&);
  // Does the last part alone, for one column's row of products that was made elsewhere.
  void (*finish_input_gradient)(const float* product, float* hidden, const InputGradientTerms&, Index column);

  // Folds batch norm into the weights of some pieces: weight[k] scale[column[k]]. Adds sum_k weight[k]
  // offset[column[k]] to every row's constant.
  void (*fold)(const PairedMatrix&, Range pieces, const Affine&, float* folded, double* constant);
  // Does the same for weights and biases of every row in `rows`.
  void (*fold_dense)(const DenseMatrix&, Range rows, const Affine&, const float* bias, const FoldedMap&);

  // Updates the weights of a piece, and adds the rows' shares of gamma's and beta's gradients.
  void (*update_weights)(const RowPairs&, Index piece, const WeightUpdate&);
  // Updates those of the constant columns.
  void (*update_constant)(const ConstantEntries&, Range rows, const WeightUpdate&);
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
