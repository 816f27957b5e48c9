// The network of one level: the parameters of the kept weights, and the steps that train them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "blas.hpp"
#include "buffer.hpp"
#include "kernels.hpp"
#include "linear_map.hpp"
#include "parallel.hpp"

namespace prunescope {

struct Optimizer {
  Rule rule = Rule::sgd;
  float rate = 0;
  float momentum = 0;
  double beta1 = 0, beta2 = 0;
  float epsilon = 0;

  // Returns the numbers of a level's update number `step`, which counts from 1.
  UpdateFactors at_step(int64_t step) const;
};

struct BatchNorm {
  float epsilon = 0;
  float decay = 0;  // of the moving averages
};

struct Settings {
  const Kernels* kernels = nullptr;
  Blas blas;
  int threads = 1;
  std::optional<BatchNorm> norm;  // before every linear map, or none
  bool bf16 = false;              // operands of dense products are rounded to bfloat16 in training
  Optimizer optimizer;
};

// Images [count, width], bytes or floats.
template <class T>
struct ImagesView {
  const T* pixels;
  Index count, width;
};

// The images of a batch, by their indices, and their labels.
struct BatchView {
  const int64_t* indices;
  const int64_t* labels;
  Index size;
};

// How many images have their label's logit as the largest, and among the five largest, and the summed loss.
struct Scores {
  int64_t correct = 0, correct5 = 0;
  double loss = 0;
};

class Network {
 public:
  explicit Network(const Settings& settings) : settings_(settings) {}

  // Adds a map. Maps are added from the pixels up, and the rows of one are the live columns of the next.
  void add(LinearMapSpec spec);
  // Ends the adding. The inputs of a byte pixel are (byte - its mean) / divisor; `mean` has one entry a
  // pixel. Float pixels are inputs already.
  void finish(const float* mean, float divisor);

  // Makes one update, and returns the batch's mean loss before it.
  template <class T>
  double step(const ImagesView<T>& images, const BatchView& batch);
  // Scores all images; writes to right[n] whether image n is classified right, 0 or 1.
  template <class T>
  Scores evaluate(const ImagesView<T>& images, const int64_t* labels, uint8_t* right);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  std::vector<LinearMap>& maps() { return maps_; }

 private:
  template <class F>
  void parallel(Index count, F task) const {
    parallel_for(settings_.threads, count, task);
  }
  Index n_maps() const { return std::ssize(maps_); }

  // Takes memory for a batch of this size, and says whether its pixels are bytes.
  void reserve(Index batch, bool bytes);
  // Gathers the images `indices`, or, null, those from `first` on; with `statistics` also their statistics.
  template <class T>
  void gather(const ImagesView<T>& images, const int64_t* indices, Index first, bool statistics);

  // Computes the mean and biased variance over the batch of some inputs of a map: at most FEATURES, all live.
  void batch_statistics(Index layer, Range columns, double* mean, double* variance) const;
  // Set the affine map of a map's inputs: from the batch's statistics, which also move the averages; from the
  // averages; and without batch norm, where only byte pixels have one.
  void batch_norm(Index layer);
  void average_norm(Index layer);
  void no_norm(Index layer);
  void fold(Index layer);
  void fold_paired(LinearMap& m, const Affine& norm);
  // Computes a map's outputs; in training operands are rounded where the settings say so, and the outputs'
  // statistics are taken.
  void forward(Index layer, bool training);
  void forward_dense(Index layer, bool training);
  void forward_paired(Index layer, bool training);
  double loss(const int64_t* labels);

  void backward(Index layer);
  // Computes the raw gradients, against the inputs as they are before the norm, of the live columns' weights,
  // and the sums of delta, one a row.
  void weight_gradient(Index layer);
  void dense_weight_gradient(Index layer);
  void paired_weight_gradient(Index layer);
  // Updates every parameter of a map; the norm's gradients follow from those of the weights.
  void update(Index layer);
  void update_weights(Index layer, const UpdateFactors& factors);
  void update_norm(LinearMap& m, const UpdateFactors& factors);
  // Computes the gradient towards a hidden layer's sums, in place of its activations.
  void input_gradient(Index layer);
  void dense_input_gradient(Index layer);
  void paired_input_gradient(Index layer);

  // The epilogue of a map's rows; of statistics none unless `training`.
  BatchEpilogue epilogue(LinearMap& m, bool training) const;
  // The number of samples in a tile.
  Index valid(Index tile) const { return std::min(TILE, batch_ - tile * TILE); }
  // The byte pixels of the batch, which are the first map's inputs.
  Tiles<const int8_t> byte_inputs() const { return {bytes_.get(), TILE, maps_[0].live_columns * TILE}; }
  // Whether the operands of a map's products are rounded to bfloat16 in training. Inputs are centred first,
  // so that none loses to its mean the digits in which it varies.
  bool rounds(const LinearMap& m) const { return settings_.bf16 && m.dense; }
  // Whether rounded operands are numbers of 16 bits, and not floats.
  bool narrows() const { return settings_.bf16 && settings_.blas.narrow; }
  // Computes a dense product in pieces of at most `rows` rows of its left operand and DENSE_ROWS columns of
  // the right one; calls finish(rows, columns) after each piece.
  template <class F>
  void multiply(const DenseProduct& whole, Index rows, F finish);
  // Packs those rows of the left operand, each once for all pieces of columns. Returns the floats from one to
  // the next, or 0 where the BLAS does not pack.
  Index pack(const DenseProduct& whole, Index rows, Index pieces);
  // Round the operands of a dense map's products, once a step: before the forward pass, and before the
  // backward one.
  void round_inputs(Index layer);
  void round_weights(Index layer);
  void round_delta(Index layer);
  // The operands of those products, rounded where `rounding`.
  Operand inputs(Index layer, bool rounding) const;
  Operand weights(Index layer, bool rounding) const;
  Operand delta(Index layer, bool rounding) const;

  Settings settings_;
  std::vector<LinearMap> maps_;
  std::vector<uint32_t> pixels_;  // the live pixels, ascending
  // The affine map of the first map's inputs: of byte pixels, and of the pixels of the batch.
  float byte_scale_ = 1, input_scale_ = 1;
  std::vector<float> byte_shift_, input_shift_;
  std::vector<Buffer<float>> memory_;      // of activations_
  std::vector<Tiles<float>> activations_;  // activations_[l] are the inputs of map l, the last are the logits
  Buffer<int8_t> bytes_;                   // [tile][live pixel][sample]
  Buffer<int32_t> byte_sum_, byte_squares_;              // [tile][live pixel]
  Buffer<float> input_mean_, input_squared_deviations_;  // [tile][live pixel]
  Buffer<float> dense_result_;  // the gradient of one dense map: of its weights, then of its inputs
  Buffer<float> packed_, rounded_delta_, zeros_;
  Buffer<uint16_t> narrow_delta_;
  bool has_bytes_ = false;
  Index capacity_ = 0, batch_ = 0, tiles_ = 0;
  int64_t steps_ = 0;
};

}  // namespace prunescope
