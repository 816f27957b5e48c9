// The classes that Python sees, Network and Layer: they refuse calls that do not fit.
//
// Arrays come in through DLPack or the buffer protocol, without copies.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "dispatch.hpp"
#include "layer.hpp"
#include "network.hpp"

namespace prunescope {

namespace nb = nanobind;

// An array [..N axes..] that is read, and one of any shape that may be written unless T is const.
template <class T, std::size_t N>
using In = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

// A value and its name in Python.
template <class T>
using Named = std::pair<std::string_view, T>;
constexpr Named<Rule> RULES[] = {{"sgd", Rule::sgd}, {"momentum", Rule::momentum}, {"adam", Rule::adam}};
constexpr Named<Field> FIELDS[] = {{"weight", Field::weight}, {"bias", Field::bias},
                                   {"gamma", Field::gamma},   {"beta", Field::beta},
                                   {"mean", Field::mean},     {"variance", Field::variance}};

template <class T, std::size_t N>
T find(const Named<T> (&all)[N], const std::string& name, const char* what) {
  for (const auto& [own, value] : all)
    if (own == name) return value;
  throw std::invalid_argument("there is no " + std::string(what) + " '" + name + "'");
}

template <class T>
std::vector<T> copied(const In<T, 1>& array) {
  return {array.data(), array.data() + array.size()};
}

// A size as the kernels count, which is the signed type that nanobind's is not.
inline Index size_of(const auto& array) { return array.size(); }

inline MaskView mask_view(const In<uint8_t, 2>& mask) {
  const Index rows = mask.shape(0), columns = mask.shape(1);
  return {mask.data(), rows, columns};
}

template <class T>
ImagesView<T> images_view(const In<T, 2>& pixels) {
  const Index count = pixels.shape(0), width = pixels.shape(1);
  return {pixels.data(), count, width};
}

// Throws unless the indices from place `begin` to place `end` are inside the mask and ascend.
inline void check_order(const std::vector<int32_t>& indices, Range places, Index size,
                        const std::string& what) {
  for (Index i = places.begin; i < places.end; ++i) {
    if (indices[i] < 0 || indices[i] >= size) throw std::out_of_range(what + " outside the mask");
    if (i > places.begin && indices[i] <= indices[i - 1])
      throw std::invalid_argument(what + " do not ascend");
  }
}

inline void check_threads(int threads) {
  if (threads < 1) throw std::invalid_argument("at least one thread is needed");
}

inline void check_size(Index found, Index wanted) {
  if (found != wanted)
    throw std::invalid_argument("an array has " + std::to_string(found) + " where " + std::to_string(wanted) +
                                " is needed");
}

// A Network that refuses calls that do not fit.
class NetworkBinding {
 public:
  explicit NetworkBinding(const Settings& settings) : settings_(settings), network_(settings) {
    check_threads(settings.threads);
  }

  int moments() const { return moment_count(settings_.optimizer.rule); }
  int64_t steps() const { return network_.steps(); }
  void set_steps(int64_t steps) { network_.set_steps(steps); }

  void add(const In<uint8_t, 2>& mask, const In<int32_t, 1>& rows, const In<int32_t, 1>& columns,
           Index live_columns, const In<uint8_t, 1>& bias_kept, bool dense, bool last) {
    const auto& maps = network_.maps();
    LinearMapSpec spec{.mask = mask_view(mask),
                       .rows = copied<int32_t>(rows),
                       .columns = copied<int32_t>(columns),
                       .live_columns = live_columns,
                       .bias_kept = copied<uint8_t>(bias_kept),
                       .dense = dense,
                       .first = maps.empty(),
                       .last = last};
    if (finished_) throw std::invalid_argument("the network is finished");
    if (live_columns < 0 || live_columns > size_of(columns))
      throw std::out_of_range("more live columns than columns");
    check_order(spec.rows, {0, size_of(rows)}, spec.mask.rows, "rows");
    check_order(spec.columns, {0, live_columns}, spec.mask.columns, "columns");
    check_order(spec.columns, {live_columns, size_of(columns)}, spec.mask.columns, "columns");
    if (bias_kept.size() != rows.size()) throw std::invalid_argument("one bias a row is needed");
    if (!maps.empty() && maps.back().n_rows() != live_columns)
      throw std::invalid_argument("the live columns are not the rows of the map before");
    if (dense && !settings_.blas.sgemm) throw std::invalid_argument("a dense map needs a BLAS");
    network_.add(std::move(spec));
  }

  void finish(const In<float, 1>& mean, float divisor) {
    if (finished_) throw std::invalid_argument("the network is finished");
    if (network_.maps().empty()) throw std::invalid_argument("a network needs at least one map");
    if (size_of(mean) != network_.maps().front().n_in)
      throw std::invalid_argument("one mean a pixel is needed");
    network_.finish(mean.data(), divisor);
    finished_ = true;
  }

  void read(Index layer, const std::string& field, int slot, const Array<float>& whole) {
    const Field wanted = find(FIELDS, field, "field");
    checked_map(layer, wanted, slot, size_of(whole)).read(wanted, slot, whole.data());
  }
  void write(Index layer, const std::string& field, int slot, const Array<const float>& whole) {
    const Field wanted = find(FIELDS, field, "field");
    checked_map(layer, wanted, slot, size_of(whole)).write(wanted, slot, whole.data());
  }

  template <class T>
  double step(const In<T, 2>& pixels, const In<int64_t, 1>& indices, const In<int64_t, 1>& labels) {
    check_batch(size_of(indices), size_of(labels));
    if (labels.size() == 0) throw std::invalid_argument("a batch needs at least one image");
    nb::gil_scoped_release nogil;
    return network_.step(images_view(pixels), {indices.data(), labels.data(), size_of(indices)});
  }

  template <class T>
  std::tuple<int64_t, int64_t, double> evaluate(const In<T, 2>& pixels, const In<int64_t, 1>& labels,
                                                const Array<uint8_t>& right) {
    const ImagesView<T> images = images_view(pixels);
    check_batch(images.count, size_of(labels));
    if (right.size() != labels.size()) throw std::invalid_argument("one byte an image is needed");
    nb::gil_scoped_release nogil;
    const Scores scores = network_.evaluate(images, labels.data(), right.data());
    return {scores.correct, scores.correct5, scores.loss};
  }

 private:
  void check_batch(Index images, Index labels) const {
    if (!finished_) throw std::invalid_argument("call finish first");
    if (images != labels) throw std::invalid_argument("one label an image is needed");
  }

  // Returns a map, whose field has `size` numbers in the slot.
  LinearMap& checked_map(Index layer, Field field, int slot, Index size) {
    auto& maps = network_.maps();
    const bool average = field == Field::mean || field == Field::variance;
    if (layer < 0 || layer >= std::ssize(maps) || slot < 0 || slot > (average ? 0 : moments()))
      throw std::out_of_range("no such layer or slot");
    LinearMap& m = maps[layer];
    const Index wanted = field == Field::weight ? m.n_out * m.n_in : field == Field::bias ? m.n_out : m.n_in;
    if (size != wanted)
      throw std::invalid_argument("an array of " + std::to_string(wanted) + " numbers is needed, not " +
                                  std::to_string(size));
    return m;
  }

  Settings settings_;
  Network network_;
  bool finished_ = false;
};

// A Layer that refuses arrays that do not fit. They are plain arrays [features, batch] in row-major order.
class LayerBinding {
 public:
  LayerBinding(const std::string& isa, int threads, const In<uint8_t, 2>& mask, const In<float, 2>& weight,
               std::optional<std::pair<Index, bool>> blocks)
      : layer_(kernels_named(isa), checked(threads, mask, weight), mask_view(mask), weight.data(),
               checked(blocks)) {}

  std::vector<double> seconds(int repeats) {
    if (!layer_.went_back()) throw std::invalid_argument("call forward and backward first");
    if (repeats < 1) throw std::invalid_argument("at least one repeat is needed");
    nb::gil_scoped_release nogil;
    const auto found = layer_.seconds(repeats);
    return {found.begin(), found.end()};
  }

  void forward(const In<float, 2>& x, const Array<float>& y) {
    const Index batch = x.shape(1);
    check_size(x.shape(0), layer_.n_in());
    check_size(y.size(), layer_.n_out() * batch);
    nb::gil_scoped_release nogil;
    layer_.forward(x.data(), batch, y.data());
  }

  void backward(const In<float, 2>& dy, const Array<float>& dx, const Array<float>& dw) {
    if (layer_.batch() == 0) throw std::invalid_argument("call forward first");
    check_size(dy.shape(0), layer_.n_out());
    check_size(dy.shape(1), layer_.batch());
    check_size(dx.size(), layer_.n_in() * layer_.batch());
    check_size(dw.size(), layer_.kept());
    nb::gil_scoped_release nogil;
    layer_.backward(dy.data(), dx.data(), dw.data());
  }

  Index kept() const { return layer_.kept(); }

 private:
  static int checked(int threads, const In<uint8_t, 2>& mask, const In<float, 2>& weight) {
    check_size(weight.shape(0), mask.shape(0));
    check_size(weight.shape(1), mask.shape(1));
    check_threads(threads);
    return threads;
  }
  static std::optional<BlockChoice> checked(const std::optional<std::pair<Index, bool>>& blocks) {
    if (!blocks) return {};
    const auto [width, two_tiles] = *blocks;
    if (width < 64 || width % 64 != 0 || width > 65472)
      throw std::invalid_argument("blocks are a multiple of 64 columns wide, at most 65472");
    return BlockChoice{0, width, two_tiles, two_tiles};
  }

  Layer layer_;
};

}  // namespace prunescope
