// Cross-entropy, its gradient, and counts of right answers. See kernels.hpp; included by kernels.cpp, once
// for each instruction set.
#pragma once

#include "tiles.hpp"

namespace prunescope {
namespace {

double cross_entropy(float* logits, long stride, int classes, const int64_t* labels, int valid,
                     float per_sample) {
  const Valid lanes(valid);
  alignas(64) float top[TILE], total[TILE];
  double loss = 0;
  for (int v = 0; v < TILE; v += W) {
    V most = load(logits + v);
    for (int c = 1; c < classes; ++c) {
      const V x = load(logits + c * stride + v);
      most = select(x > most, x, most);
    }
    store(top + v, most);
  }
  for (int v = 0; v < TILE; v += W) store(total + v, V{});
  float at_label[TILE];
  for (int n = 0; n < valid; ++n) at_label[n] = logits[labels[n] * stride + n] - top[n];
  for (int c = 0; c < classes; ++c)
    for (int v = 0; v < TILE; v += W) {
      float* p = logits + c * stride + v;
      const V e = exponential(load(p) - load(top + v));
      store(p, e);
      store(total + v, load(total + v) + e);
    }
  for (int n = 0; n < valid; ++n) loss += double(__builtin_logf(total[n])) - double(at_label[n]);
  for (int v = 0; v < TILE; v += W) {
    const V share = splat(per_sample) / load(total + v);
    store(total + v, select(load(lanes.lane + v) > V{}, share, V{}));
  }
  for (int c = 0; c < classes; ++c)
    for (int v = 0; v < TILE; v += W) {
      float* p = logits + c * stride + v;
      store(p, load(p) * load(total + v));
    }
  for (int n = 0; n < valid; ++n) logits[labels[n] * stride + n] -= per_sample;
  return loss;
}

// Of each valid sample: how many logits of other classes come before the label's; then the loss.
double score(float* logits, long stride, int classes, const int64_t* labels, int valid, uint8_t* right,
             int64_t* correct5) {
  alignas(64) float at_label[TILE] = {}, label[TILE] = {};
  for (int n = 0; n < valid; ++n) {
    at_label[n] = logits[labels[n] * stride + n];
    label[n] = float(labels[n]);
  }
  for (int v = 0; v < TILE; v += W) {
    const V own = load(at_label + v), its = load(label + v);
    I before{};
    for (int c = 0; c < classes; ++c) {
      const V x = load(logits + c * stride + v);
      before -= (x > own) | (x != x) | ((x == own) & (splat(float(c)) < its));
    }
    for (int i = 0; i < W && v + i < valid; ++i) {
      const bool number = own[i] == own[i];
      right[v + i] = number && before[i] == 0;
      *correct5 += number && before[i] < 5;
    }
  }
  return cross_entropy(logits, stride, classes, labels, valid, 1.0f);
}

}  // namespace
}  // namespace prunescope
