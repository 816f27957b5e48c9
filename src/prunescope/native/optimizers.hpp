// The optimizers, for sparse and dense weights and for vectors: gradient descent, momentum, Adam.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include "simd.hpp"
#include "streams.hpp"

namespace prunescope {
namespace {

INLINE float square_root(float x) { return __builtin_sqrtf(x); }
INLINE Vector square_root(Vector x) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#else
  for (int i = 0; i < WIDTH; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// Returns a parameter's new value, and updates its moments, as far as the rule has any; F is float or Vector.
template <Rule rule, class F>
INLINE F descended(F value, F gradient, const UpdateFactors& factors, F& first, F& second) {
  if constexpr (rule == Rule::sgd) return value - factors.rate * gradient;
  if constexpr (rule == Rule::momentum) {
    first = multiply_add(first, F{} + factors.momentum, gradient);
    return value - factors.rate * first;
  }
  first = first + factors.first_share * (gradient - first);
  second = second * factors.second_decay + factors.second_share * (gradient * gradient);
  const F deviation = square_root(second / factors.correction);
  return value - factors.rate * (first / (deviation + factors.epsilon));
}

// Calls task<rule>() for a rule that is known at run time only.
template <class F>
INLINE void with_rule(Rule rule, F task) {
  if (rule == Rule::sgd)
    task.template operator()<Rule::sgd>();
  else if (rule == Rule::momentum)
    task.template operator()<Rule::momentum>();
  else
    task.template operator()<Rule::adam>();
}

// The gradient of a kept weight is scale raw + offset sum. Of gamma's and beta's gradients, a column's sums
// of weight times raw gradient and of weight times delta are added up, from which both follow.
template <Rule rule>
void update_as(const RowPairs& pairs, Index piece, const WeightUpdate& update) {
  const ParameterView& weight = update.weight;
  const UpdateFactors factors = update.factors;
  const Index first = piece / pairs.groups * pairs.width;
  const float *scale = update.norm.scale + first, *offset = update.norm.offset + first;
  float *by_raw = update.gamma_gradient + first, *by_sum = update.beta_gradient + first;
  const IntVector odd = IntVector{} - (numbers_of_lanes() & 1);
  for_each_visit(pairs, piece, [&](const Visit& visit, auto*& column, Index& slot) {
    const float other = visit.row[1] == NOBODY ? 0.0f : update.row_sum[visit.row[1]];
    const Vector sum = select(odd, splat(other), splat(update.row_sum[visit.row[0]]));
    for_each_vector(visit, column, slot, [&](const Weights& own) {
      const auto take = [&](const float* from) { return load_where(from + own.slot, own.kept); };
      const Vector w = take(weight.value), raw = take(update.gradient) + take(update.other_gradient);
      const Vector full = gather(scale, own.column) * raw + gather(offset, own.column) * sum;
      Vector first_moment{}, second_moment{};
      if constexpr (rule != Rule::sgd) first_moment = take(weight.first_moment);
      if constexpr (rule == Rule::adam) second_moment = take(weight.second_moment);
      store_where(weight.value + own.slot, own.kept,
                  descended<rule>(w, full, factors, first_moment, second_moment));
      if constexpr (rule != Rule::sgd) store_where(weight.first_moment + own.slot, own.kept, first_moment);
      if constexpr (rule == Rule::adam) store_where(weight.second_moment + own.slot, own.kept, second_moment);
      if (own.shared) {
        const IntVector whole = own.kept & ~odd;
        scatter_add(by_raw, own.column, whole, plus_neighbour(w * raw));
        scatter_add(by_sum, own.column, whole, plus_neighbour(w * sum));
      } else {
        scatter_add(by_raw, own.column, own.kept, w * raw);
        scatter_add(by_sum, own.column, own.kept, w * sum);
      }
    });
  });
}

void update_weights(const RowPairs& pairs, Index piece, const WeightUpdate& update) {
  with_rule(update.factors.rule, [&]<Rule rule>() { update_as<rule>(pairs, piece, update); });
}

template <Rule rule>
void update_constant_as(const ConstantEntries& entries, Range rows, const WeightUpdate& update) {
  const UpdateFactors factors = update.factors;
  float no_first = 0, no_second = 0;
  for (Index r = rows.begin; r < rows.end; ++r)
    for (Index k = entries.begin[r]; k < entries.begin[r + 1]; ++k) {
      const ParameterView own = update.weight.from(entries.slot + k);
      const uint32_t c = entries.column[k];
      update.beta_gradient[c] += *own.value * update.row_sum[r];
      *own.value = descended<rule>(*own.value, update.norm.offset[c] * update.row_sum[r], factors,
                                   rule == Rule::sgd ? no_first : *own.first_moment,
                                   rule == Rule::adam ? *own.second_moment : no_second);
    }
}

void update_constant(const ConstantEntries& entries, Range rows, const WeightUpdate& update) {
  with_rule(update.factors.rule, [&]<Rule rule>() { update_constant_as<rule>(entries, rows, update); });
}

// Rows are padded to whole vectors: reading these stays inside, and padded weights are 0 and untrained.
template <Rule rule>
void update_dense_as(const DenseLayout& layout, Range rows, const WeightUpdate& update) {
  const InputNorm& inputs = update.inputs;
  const UpdateFactors factors = update.factors;
  for (Index r = rows.begin; r < rows.end; ++r) {
    const Index row = r * layout.pitch;
    const float* gradient = update.gradient + row;
    const float* kept = layout.kept ? layout.kept + row : nullptr;
    const ParameterView weight = update.weight.from(row);
    Vector no_first{}, no_second{};
    const Vector s = splat(update.row_sum[r]);
    for (Index c = 0; c < layout.pitch; c += WIDTH) {
      Vector raw = load(gradient + c);
      if (c + WIDTH > layout.live_columns)
        for (int i = 0; i < WIDTH; ++i)
          if (c + i >= layout.live_columns) raw[i] = 0.0f;
      const Vector g = (raw - load(inputs.mean + c) * s) * load(inputs.inverse_deviation + c);
      const Vector w = load(weight.value + c);
      float *by_gamma = update.gamma_gradient + c, *by_beta = update.beta_gradient + c;
      store(by_gamma, load(by_gamma) + w * g);
      store(by_beta, load(by_beta) + w * s);
      Vector full = load(inputs.gamma + c) * g + load(inputs.beta + c) * s;
      if (kept) full = full * load(kept + c);
      Vector first = rule == Rule::sgd ? no_first : load(weight.first_moment + c);
      Vector second = rule == Rule::adam ? load(weight.second_moment + c) : no_second;
      store(weight.value + c, descended<rule>(w, full, factors, first, second));
      if constexpr (rule != Rule::sgd) store(weight.first_moment + c, first);
      if constexpr (rule == Rule::adam) store(weight.second_moment + c, second);
    }
  }
}

void update_dense_weights(const DenseLayout& layout, Range rows, const WeightUpdate& update) {
  with_rule(update.factors.rule, [&]<Rule rule>() { update_dense_as<rule>(layout, rows, update); });
}

void update_vector(Index size, const float* gradient, const UpdateFactors& given,
                   const ParameterView& parameter) {
  const UpdateFactors factors = given;
  with_rule(factors.rule, [&]<Rule rule>() {
    float no_first = 0, no_second = 0;
    for (Index i = 0; i < size; ++i)
      parameter.value[i] = descended<rule>(parameter.value[i], gradient[i], factors,
                                           rule == Rule::sgd ? no_first : parameter.first_moment[i],
                                           rule == Rule::adam ? parameter.second_moment[i] : no_second);
  });
}

}  // namespace
}  // namespace prunescope
