// Folding batch norm into weights, and the optimizers. See kernels.hpp; included by kernels.cpp, once for
// each instruction set.
#pragma once

#include "tiles.hpp"

namespace prunescope {
namespace {

void fold(const Rows& a, const float* weight, int r0, int r1, const float* scale, const float* offset,
          const float* bias, float* folded, float* bias_out) {
  for (int r = r0; r < r1; ++r) {
    double constant = bias[r];
    for (uint32_t k = a.begin[r]; k < a.begin[r + 1]; ++k) {
      folded[k] = weight[k] * scale[a.column[k]];
      constant += double(weight[k]) * double(offset[a.column[k]]);
    }
    bias_out[r] = float(constant);
  }
}

void fold_dense(const float* weight, int n, const float* scale, const float* offset, float bias,
                float* folded, float* bias_out) {
  constexpr int CHUNK = 256;  // float sums within, double sums over chunks
  double constant = bias;
  for (int begin = 0; begin < n; begin += CHUNK) {
    const int end = begin + CHUNK < n ? begin + CHUNK : n;
    V total{};
    int c = begin;
    for (; c + W <= end; c += W) {
      const V w = load(weight + c);
      store(folded + c, w * load(scale + c));
      total += w * load(offset + c);
    }
    float rest = sum(total);
    for (; c < end; ++c) {
      folded[c] = weight[c] * scale[c];
      rest += weight[c] * offset[c];
    }
    constant += rest;
  }
  *bias_out = float(constant);
}

template <Rule rule, class F>
INLINE F descended(F value, F g, const UpdateFactors& o, F& first, F& second) {
  if constexpr (rule == Rule::sgd) return value - o.rate * g;
  if constexpr (rule == Rule::momentum) {
    first = first * o.momentum + g;
    return value - o.rate * first;
  }
  first = first + o.first_share * (g - first);
  second = second * o.second_decay + o.second_share * (g * g);
  F scaled = second / o.correction;
  if constexpr (sizeof(F) == sizeof(float)) {
    scaled = __builtin_sqrtf(scaled);
  } else {
#if defined(__AVX512F__)
    scaled = (F)_mm512_maskz_sqrt_ps(0xffff, (__m512)scaled);
#elif defined(__AVX2__)
    scaled = (F)_mm256_sqrt_ps((__m256)scaled);
#else
    for (int i = 0; i < W; ++i) scaled[i] = __builtin_sqrtf(scaled[i]);
#endif
  }
  return value - o.rate * (first / (scaled + o.epsilon));
}

template <Rule rule>
void update_as(const Rows& a, int r0, int r1, const float* gradient, const float* sum, const InputNorm& x,
               const UpdateFactors& o, float* weight, float* first, float* second, float* by_gamma,
               float* by_beta) {
  float none1 = 0, none2 = 0;
  for (int r = r0; r < r1; ++r)
    for (uint32_t k = a.begin[r]; k < a.begin[r + 1]; ++k) {
      const uint32_t c = a.column[k];
      const float raw = k < a.live_end[r] ? gradient[k] : 0.0f;
      const float g = (raw - x.mean[c] * sum[r]) * x.inverse[c], w = weight[k];
      by_gamma[c] += w * g;
      by_beta[c] += w * sum[r];
      const float full = x.gamma[c] * g + x.beta[c] * sum[r];
      weight[k] = descended<rule>(w, full, o, rule == Rule::sgd ? none1 : first[k],
                                  rule == Rule::adam ? second[k] : none2);
    }
}

void update(const Rows& a, int r0, int r1, const float* gradient, const float* sum, const InputNorm& x,
            const UpdateFactors& o, float* weight, float* first, float* second, float* by_gamma,
            float* by_beta) {
  const auto f = o.rule == Rule::sgd        ? update_as<Rule::sgd>
                 : o.rule == Rule::momentum ? update_as<Rule::momentum>
                                            : update_as<Rule::adam>;
  f(a, r0, r1, gradient, sum, x, o, weight, first, second, by_gamma, by_beta);
}

// Columns come in padded rows: reading whole vectors stays inside, and padded weights are 0 and untrained.
template <Rule rule>
void update_dense_as(int n, int live, const float* gradient, float sum, const InputNorm& x,
                     const UpdateFactors& o, const float* kept, float* weight, float* first, float* second,
                     float* by_gamma, float* by_beta) {
  V none1{}, none2{};
  const V s = splat(sum);
  for (int c = 0; c < n; c += W) {
    V raw = load(gradient + c);
    if (c + W > live)
      for (int i = 0; i < W; ++i)
        if (c + i >= live) raw[i] = 0.0f;
    const V g = (raw - load(x.mean + c) * s) * load(x.inverse + c), w = load(weight + c);
    store(by_gamma + c, load(by_gamma + c) + w * g);
    store(by_beta + c, load(by_beta + c) + w * s);
    V full = load(x.gamma + c) * g + load(x.beta + c) * s;
    if (kept) full = full * load(kept + c);
    V m1 = rule == Rule::sgd ? none1 : load(first + c), m2 = rule == Rule::adam ? load(second + c) : none2;
    store(weight + c, descended<rule>(w, full, o, m1, m2));
    if constexpr (rule != Rule::sgd) store(first + c, m1);
    if constexpr (rule == Rule::adam) store(second + c, m2);
  }
}

void update_dense(int n, int live, const float* gradient, float sum, const InputNorm& x,
                  const UpdateFactors& o, const float* kept, float* weight, float* first, float* second,
                  float* by_gamma, float* by_beta) {
  const auto f = o.rule == Rule::sgd        ? update_dense_as<Rule::sgd>
                 : o.rule == Rule::momentum ? update_dense_as<Rule::momentum>
                                            : update_dense_as<Rule::adam>;
  f(n, live, gradient, sum, x, o, kept, weight, first, second, by_gamma, by_beta);
}

void update_vector(int n, const float* gradient, const UpdateFactors& o, float* value, float* first,
                   float* second) {
  float none1 = 0, none2 = 0;
  for (int i = 0; i < n; ++i) {
    if (o.rule == Rule::sgd)
      value[i] = descended<Rule::sgd>(value[i], gradient[i], o, none1, none2);
    else if (o.rule == Rule::momentum)
      value[i] = descended<Rule::momentum>(value[i], gradient[i], o, first[i], none2);
    else
      value[i] = descended<Rule::adam>(value[i], gradient[i], o, first[i], second[i]);
  }
}

}  // namespace
}  // namespace prunescope
