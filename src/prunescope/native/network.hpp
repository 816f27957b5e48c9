// One level's network: parameters of the kept weights, and the steps that train them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "blas.hpp"
#include "buffer.hpp"
#include "kernels.hpp"
#include "map.hpp"

namespace prunescope {

// Feature-major samples: feature f of tile t starts at data + f * stride + t * tile.
struct Panel {
  float* data = nullptr;
  long stride = 0;
  long tile = 0;
  float* at(int t, long feature = 0) const { return data + t * tile + feature * stride; }
};

struct Optimizer {
  Rule rule = Rule::sgd;
  float rate = 0;
  float momentum = 0;
  double beta1 = 0, beta2 = 0;
  float epsilon = 0;

  UpdateFactors at_step(int64_t step) const;  // the first is 1
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

struct Scores {
  int64_t correct = 0, correct5 = 0;
  double loss = 0;
};

class Network {
 public:
  explicit Network(const Settings& settings) : s_(settings) {}

  // `mask` [n_out, n_in] bytes, 0 or 1. `rows`, `columns` ascending (columns: live, then constant) are
  // indices into it. Maps are added from the pixels up; a map's rows are the live columns of the next.
  void add(const uint8_t* mask, int n_out, int n_in, std::vector<int> rows, std::vector<int> columns,
           int n_live, std::vector<uint8_t> bias_kept, bool dense, bool last);
  // The first map's input is (byte - mean of the pixel) / divisor, or a float pixel itself.
  void finish(const float* mean, float divisor);

  // One update on images `indices` of pixels [count, width]; returns their mean loss.
  template <class T>
  double step(const T* pixels, int64_t count, int64_t width, const int64_t* indices, const int64_t* labels,
              int batch);
  // Writes to right[n] whether image n is classified right, 0 or 1.
  template <class T>
  Scores evaluate(const T* pixels, int64_t count, int64_t width, const int64_t* labels, uint8_t* right);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  std::vector<Map>& maps() { return maps_; }

 private:
  template <class F>
  void parallel(int n, F task) const {
#if defined(_OPENMP)
    if (s_.threads > 1 && n > 1) {
#pragma omp parallel for num_threads(s_.threads) schedule(dynamic, 1)
      for (int i = 0; i < n; ++i) task(i);
      return;
    }
#endif
    for (int i = 0; i < n; ++i) task(i);
  }
  void reserve(int batch, bool bytes);
  template <class T>
  void gather(const T* pixels, int64_t width, const int64_t* indices, int64_t first, bool statistics);
  void moments(int layer, long c0, long c1, double* mean, double* variance) const;
  void batch_norm(int layer);
  void no_norm(int layer);
  void average_norm(int layer);
  void fold(int layer);
  void forward(int layer, bool statistics);
  void backward(int layer);
  void weight_gradient(int layer);
  void update(int layer);
  void sum_halves(int layer);
  void input_gradient(int layer);
  double loss(const int64_t* labels);
  int row_chunks(int rows) const;
  // Blocks pay off when every thread has whole tiles to itself; results are the same either way.
  bool by_blocks(int layer) const {
    return layer == 0 && has_bytes_ && maps_[0].pattern.has_blocks() && tiles_ >= s_.threads;
  }
  int valid(int tile) const { return batch_ - tile * TILE < TILE ? batch_ - tile * TILE : TILE; }
  // Operands of the products of a training step: as they are, or rounded to bfloat16. Inputs are centred
  // first, so that none loses to its mean the digits in which it varies.
  bool rounds(const Map& map) const { return s_.bf16 && map.dense; }
  const float* rounded(const float* from, std::size_t size, Buffer<float>& to);
  const float* rounded_inputs(int layer);

  Settings s_;
  std::vector<Map> maps_;
  std::vector<uint32_t> pixels_;  // live pixels, ascending
  float byte_scale_ = 1, input_scale_ = 1;
  std::vector<float> byte_shift_, input_shift_;  // of the columns of the first map
  std::vector<Buffer<float>> memory_;            // of panels_
  std::vector<Panel> panels_;                    // panels_[l]: inputs of map l; the last: logits
  Buffer<int8_t> bytes_;
  Buffer<int32_t> byte_sum_, byte_squares_;
  Buffer<float> input_mean_, input_squares_, products_, rounded_a_, rounded_b_, zeros_;
  bool has_bytes_ = false;
  int capacity_ = 0, batch_ = 0, tiles_ = 0;
  int64_t steps_ = 0;
};

}  // namespace prunescope
