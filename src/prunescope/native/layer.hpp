// One sparse linear map on its own, between plain feature-major arrays.
#pragma once

#include <cstdint>

#include "buffer.hpp"
#include "kernels.hpp"
#include "pattern.hpp"

namespace prunescope {

class Layer {
 public:
  Layer(const Kernels& kernels, int threads, const uint8_t* mask, const float* weight, int n_out, int n_in);

  long kept() const { return long(pattern_.entries()); }
  int n_out() const { return n_out_; }
  int n_in() const { return n_in_; }
  long batch() const { return batch_; }

  void forward(const float* x, long batch,
               float* y);  // [n_in, batch] to [n_out, batch]; keeps x for backward
  void backward(const float* dy, float* dx, float* dw);

 private:
  template <class F>
  void parallel(int n, F task) const;
  template <class F>
  void chunks(int n, F task) const;  // task(first, end)

  const Kernels& kernels_;
  int threads_, n_out_, n_in_;
  long batch_ = 0;
  Pattern pattern_;
  Buffer<float> weight_, t_weight_, zeros_;
  Buffer<float> x_, y_, dy_, dx_;  // in tiles
};

}  // namespace prunescope
