// The inner loops, serial, one tile of 64 samples at a time. Compiled once for each instruction set.
//
// Activations are feature-major: the 64 samples of one feature lie side by side (256 bytes of
// float32, 64 of int8), features follow each other `stride` elements apart. All blocks are 64-byte aligned.
#pragma once

#include <cstdint>

namespace prunescope {

constexpr int TILE = 64;
constexpr int PADDING = 16;
constexpr int BYTE_OFFSET = 128;  // pixels are kept as signed bytes: byte - BYTE_OFFSET

// Rows of a sparse matrix: entries begin[r] .. begin[r + 1], of which those before live_end[r]
// multiply inputs that vary; the others multiply inputs whose normalised value is 0. PADDING more
// columns may be read behind the last.
struct Rows {
  const uint32_t* begin;
  const uint32_t* live_end;
  const uint32_t* column;
  int columns;  // that vary
};

// The same entries in blocks of neighbouring columns, so that a block's inputs stay in the first cache.
// Segment s holds entries begin[s] .. begin[s + 1] of row row[s]; block q has segments first[q] .. first[q +
// 1], the longest first: runs of equal length are what a branch predictor can follow. Columns count from the
// block's first.
struct Blocks {
  int count, width, columns;
  const uint32_t* first;
  const uint32_t* row;
  const uint32_t* begin;
  const uint32_t* column;
};

// What the gradient of one layer's parameters needs to know about its inputs, one entry a column.
struct InputNorm {
  const float* mean;     // of the batch; 0 without batch norm
  const float* inverse;  // 1/sigma; 0 where an input does not vary
  const float* gamma;
  const float* beta;
};

enum class Rule { sgd, momentum, adam };

// The numbers of one update, as the torch engine does it; those that the rule does not use are 0.
struct UpdateFactors {
  Rule rule;
  float rate;          // adam: lr / (1 - beta1^t)
  float momentum;      // momentum
  float first_share;   // adam: 1 - beta1
  float second_decay;  // adam: beta2
  float second_share;  // adam: 1 - beta2
  float correction;    // adam: 1 - beta2^t
  float epsilon;       // adam
};

struct Kernels {
  const char* name;

  // out[r] = bias[r] + sum_k weight[k] x[column[k]] for rows r0 <= r < r1. With `relu` also
  // rectifies, zeroes samples from `valid` on, and, unless null, writes mean and the sum of squared
  // deviations of the valid samples to mean[r], squares[r].
  void (*forward_f32)(const Rows&, const float* weight, int r0, int r1, const float* x, long xs, float* out,
                      long os, const float* bias, bool relu, int valid, float* mean, float* squares);
  void (*forward_i8)(const Rows&, const float* weight, int r0, int r1, const int8_t* x, long xs, float* out,
                     long os, const float* bias, bool relu, int valid, float* mean, float* squares);

  // The same for all rows, by blocks; every sum has the same order, so results are the same to the bit.
  // `scratch` holds width * TILE floats.
  void (*forward_blocks)(const Blocks&, const float* weight, int rows, const int8_t* x, float* out, long os,
                         const float* bias, bool relu, int valid, float* mean, float* squares,
                         float* scratch);
  // The same without `relu` for a few rows that keep every weight, `pitch` apart; every sum has the same
  // order.
  void (*forward_whole)(const float* weight, long pitch, int rows, int columns, const float* x, long xs,
                        float* out, long os, const float* bias, int valid);
  // The same epilogue for n rows that something else has multiplied: out += bias, and so on.
  void (*finish_rows)(int n, float* out, long os, const float* bias, bool relu, int valid, float* mean,
                      float* squares);

  // gradient[k] += sum over samples of delta[r] x[column[k]], sum[r] += sum of delta[r].
  void (*weights_f32)(const Rows&, int r0, int r1, const float* delta, long ds, const float* x, long xs,
                      float* gradient, float* sum);
  void (*weights_i8)(const Rows&, int r0, int r1, const float* delta, long ds, const int8_t* x, long xs,
                     float* gradient, float* sum);

  void (*weights_blocks)(const Blocks&, int rows, const float* delta, long ds, const int8_t* x,
                         float* gradient, float* sum, float* scratch);
  // The same for columns c0 <= c < c1 of a few rows that keep every weight, over all tiles, which are `dt`
  // and `xt` apart: gradients, and sums unless null, are written, not added to.
  void (*weights_whole)(int rows, int c0, int c1, int tiles, const float* delta, long ds, long dt,
                        const float* x, long xs, long xt, float* gradient, long pitch, float* sum);

  // Towards the inputs c0 <= c < c1, on the transposed pattern: h[c] becomes
  // (sum_k weight[k] delta[column[k]] - shift[c] - (h[c] - mean[c]) slope[c]) where h[c] > 0, else 0.
  void (*inputs)(const Rows&, const float* weight, int c0, int c1, const float* delta, long ds, float* h,
                 long hs, const float* mean, const float* shift, const float* slope);
  // The same epilogue for a row of products `d` made elsewhere.
  void (*finish_inputs)(const float* d, float* h, float mean, float shift, float slope);

  // folded[k] = weight[k] scale[column[k]]; bias_out[r] = bias[r] + sum_k weight[k] offset[column[k]].
  void (*fold)(const Rows&, const float* weight, int r0, int r1, const float* scale, const float* offset,
               const float* bias, float* folded, float* bias_out);
  // The same for one dense row of n columns.
  void (*fold_dense)(const float* weight, int n, const float* scale, const float* offset, float bias,
                     float* folded, float* bias_out);

  // From the raw gradient of rows r0 <= r < r1: adds their share of d gamma and d beta to by_gamma,
  // by_beta (one entry a column), and updates the weights.
  void (*update)(const Rows&, int r0, int r1, const float* gradient, const float* sum, const InputNorm&,
                 const UpdateFactors&, float* weight, float* first, float* second, float* by_gamma,
                 float* by_beta);
  // The same for one dense row, of which `kept` (null: all) says which weights are trained.
  void (*update_dense)(int n, int live, const float* gradient, float sum, const InputNorm&,
                       const UpdateFactors&, const float* kept, float* weight, float* first, float* second,
                       float* by_gamma, float* by_beta);
  // A plain parameter vector.
  void (*update_vector)(int n, const float* gradient, const UpdateFactors&, float* value, float* first,
                        float* second);

  // Logits of `classes` rows become the loss's gradient (softmax - one-hot) / batch; samples from
  // `valid` on become 0. Returns the summed loss of the valid samples.
  double (*cross_entropy)(float* logits, long stride, int classes, const int64_t* labels, int valid,
                          float per_sample);

  // Writes to right[n] whether sample n's label has the largest logit, and adds to correct5 those whose label
  // has one of the five largest (of equals the lower class first); valid samples alone. Returns their summed
  // loss. Overwrites the logits.
  double (*score)(float* logits, long stride, int classes, const int64_t* labels, int valid, uint8_t* right,
                  int64_t* correct5);

  // 64 image rows (fewer: `valid`) of bytes into int8 (byte - BYTE_OFFSET), feature-major; `pixel` lists the
  // n wanted bytes in ascending order. Sums and sums of squares over valid samples unless null.
  void (*gather_u8)(const uint8_t* const* rows, int valid, int width, const uint32_t* pixel, int n,
                    int8_t* out, int32_t* sum, int32_t* squares);
  // Rows of float32, with mean and the sum of squared deviations.
  void (*gather_f32)(const float* const* rows, int valid, const uint32_t* pixel, int n, float* out,
                     long stride, float* mean, float* squares);
  void (*widen)(const int8_t* in, float* out);                           // one feature's 64 samples
  void (*round_bf16)(const float* in, long n, float shift, float* out);  // in - shift, to bfloat16
};

extern const Kernels kernels_baseline;
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
extern const Kernels kernels_neon;

}  // namespace prunescope
