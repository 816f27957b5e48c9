// Cross-entropy, its gradient, and which samples are classified right.
//
// kernels.cpp includes this file, once for each instruction set.
#pragma once

#include "tiles.hpp"

namespace prunescope {
namespace {

double cross_entropy(const LabelledLogits& samples, float per_sample) {
  const auto [logits, classes, labels, valid] = samples;
  const SampleMask mask(valid);
  alignas(64) float largest[TILE], total[TILE];
  double loss = 0;
  for (Index v = 0; v < TILE; v += WIDTH) {
    Vector most = load(logits.data + v);
    for (Index c = 1; c < classes; ++c) {
      const Vector x = load(logits.feature(c) + v);
      most = select(x > most, x, most);
    }
    store(largest + v, most);
  }
  for (Index v = 0; v < TILE; v += WIDTH) store(total + v, Vector{});
  float at_label[TILE];
  for (Index n = 0; n < valid; ++n) at_label[n] = logits.feature(labels[n])[n] - largest[n];
  for (Index c = 0; c < classes; ++c)
    for (Index v = 0; v < TILE; v += WIDTH) {
      float* p = logits.feature(c) + v;
      const Vector e = exponential(load(p) - load(largest + v));
      store(p, e);
      store(total + v, load(total + v) + e);
    }
  for (Index n = 0; n < valid; ++n) loss += double(__builtin_logf(total[n])) - at_label[n];
  for (Index v = 0; v < TILE; v += WIDTH) {
    const Vector share = splat(per_sample) / load(total + v);
    store(total + v, select(load(mask.lane + v) > Vector{}, share, Vector{}));
  }
  for (Index c = 0; c < classes; ++c)
    for (Index v = 0; v < TILE; v += WIDTH) {
      float* p = logits.feature(c) + v;
      store(p, load(p) * load(total + v));
    }
  for (Index n = 0; n < valid; ++n) logits.feature(labels[n])[n] -= per_sample;
  return loss;
}

// Counts, of each valid sample, the logits of other classes that come before the label's; then computes the
// loss.
TileScore score(const LabelledLogits& samples, uint8_t* right) {
  const auto [logits, classes, labels, valid] = samples;
  alignas(64) float at_label[TILE] = {}, label[TILE] = {};
  for (Index n = 0; n < valid; ++n) {
    at_label[n] = logits.feature(labels[n])[n];
    label[n] = labels[n];
  }
  int64_t correct5 = 0;
  for (Index v = 0; v < TILE; v += WIDTH) {
    const Vector own = load(at_label + v), own_label = load(label + v);
    IntVector before{};
    for (Index c = 0; c < classes; ++c) {
      const Vector x = load(logits.feature(c) + v);
      before -= (x > own) | (x != x) | ((x == own) & (splat(c) < own_label));
    }
    for (int i = 0; i < WIDTH && v + i < valid; ++i) {
      const bool number = own[i] == own[i];
      right[v + i] = number && before[i] == 0;
      correct5 += number && before[i] < 5;
    }
  }
  return {.loss = cross_entropy(samples, 1.0f), .correct5 = correct5};
}

}  // namespace
}  // namespace prunescope
