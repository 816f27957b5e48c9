// What Python sees: a Network of kept weights. Arrays come in through DLPack or the buffer protocol, without
// copies.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "layer.hpp"
#include "network.hpp"

namespace nb = nanobind;
using namespace prunescope;

namespace {

template <class T, std::size_t N>
using In = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T>
using Whole = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

struct Isa {
  const Kernels* kernels;
  bool here;
};

// Best first.
std::vector<Isa> compiled() {
  std::vector<Isa> all;
#if defined(PRUNESCOPE_HAVE_AVX512)
  all.push_back({&kernels_avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                      __builtin_cpu_supports("avx512dq") &&
                                      __builtin_cpu_supports("avx512vl")});
#endif
#if defined(PRUNESCOPE_HAVE_AVX2)
  all.push_back({&kernels_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")});
#endif
#if defined(PRUNESCOPE_HAVE_NEON)
  all.push_back({&kernels_neon, true});
#else
  all.push_back({&kernels_baseline, true});
#endif
  return all;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Isa& isa : compiled())
    if (isa.here) names.push_back(isa.kernels->name);
  return names;
}

const Kernels* kernels_named(const std::string& name) {
  for (const Isa& isa : compiled())
    if (isa.here && name == isa.kernels->name) return isa.kernels;
  throw std::invalid_argument("this machine does not run the instruction set '" + name + "'");
}

template <class T>
std::vector<T> copied(const In<T, 1>& array) {
  return {array.data(), array.data() + array.size()};
}

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

// Indices from `begin` on are inside the mask and ascend.
void in_order(const std::vector<int>& chosen, std::size_t begin, std::size_t end, std::size_t size,
              const char* what) {
  for (std::size_t i = begin; i < end; ++i) {
    if (chosen[i] < 0 || std::size_t(chosen[i]) >= size)
      throw std::out_of_range(std::string(what) + " outside the mask");
    if (i > begin && chosen[i] <= chosen[i - 1])
      throw std::invalid_argument(std::string(what) + " do not ascend");
  }
}

class Bound {
 public:
  explicit Bound(const Settings& s)
      : network_(s), has_blas_(s.blas.sgemm != nullptr), moments_(prunescope::moments(s.optimizer.rule)) {
    if (s.threads < 1) throw std::invalid_argument("at least one thread is needed");
  }

  int moments() const { return moments_; }

  void add(const In<uint8_t, 2>& mask, const In<int32_t, 1>& rows, const In<int32_t, 1>& columns, int n_live,
           const In<uint8_t, 1>& bias_kept, bool dense, bool last) {
    auto chosen = copied<int32_t>(rows), read = copied<int32_t>(columns);
    if (ready_) throw std::invalid_argument("the network is finished");
    if (n_live < 0 || std::size_t(n_live) > read.size())
      throw std::out_of_range("more live columns than columns");
    in_order(chosen, 0, chosen.size(), mask.shape(0), "rows");
    in_order(read, 0, std::size_t(n_live), mask.shape(1), "columns");
    in_order(read, std::size_t(n_live), read.size(), mask.shape(1), "columns");
    if (bias_kept.size() != chosen.size()) throw std::invalid_argument("one bias a row is needed");
    if (!network_.maps().empty() && network_.maps().back().n_rows() != n_live)
      throw std::invalid_argument("the live columns are not the rows of the map before");
    if (dense && !has_blas_) throw std::invalid_argument("a dense map needs a BLAS");
    network_.add(mask.data(), int(mask.shape(0)), int(mask.shape(1)), std::move(chosen), std::move(read),
                 n_live, copied<uint8_t>(bias_kept), dense, last);
  }

  void finish(const In<float, 1>& mean, float divisor) {
    if (ready_) throw std::invalid_argument("the network is finished");
    if (network_.maps().empty()) throw std::invalid_argument("a network needs at least one map");
    if (mean.size() != std::size_t(network_.maps().front().n_in))
      throw std::invalid_argument("one mean a pixel is needed");
    network_.finish(mean.data(), divisor);
    ready_ = true;
  }

  template <bool reading, class T>
  void exchange(int layer, const std::string& field, int slot, const Whole<T>& whole) {
    auto& maps = network_.maps();
    const Field wanted = find(FIELDS, field, "field");
    const bool average = wanted == Field::mean || wanted == Field::variance;
    if (layer < 0 || std::size_t(layer) >= maps.size() || slot < 0 || slot > (average ? 0 : moments_))
      throw std::out_of_range("no such layer or slot");
    Map& m = maps[std::size_t(layer)];
    const long size = wanted == Field::weight ? long(m.n_out) * m.n_in
                      : wanted == Field::bias ? m.n_out
                                              : m.n_in;
    if (long(whole.size()) != size)
      throw std::invalid_argument("an array of " + std::to_string(size) + " numbers is needed, not " +
                                  std::to_string(whole.size()));
    if constexpr (reading)
      m.read(wanted, slot, whole.data());
    else
      m.write(wanted, slot, whole.data());
  }

  template <class T>
  double step(const In<T, 2>& pixels, const In<int64_t, 1>& indices, const In<int64_t, 1>& labels) {
    check(indices.size(), labels.size());
    if (labels.size() == 0) throw std::invalid_argument("a batch needs at least one image");
    nb::gil_scoped_release nogil;
    return network_.step(pixels.data(), int64_t(pixels.shape(0)), int64_t(pixels.shape(1)), indices.data(),
                         labels.data(), int(indices.size()));
  }

  template <class T>
  std::tuple<int64_t, int64_t, double> evaluate(const In<T, 2>& pixels, const In<int64_t, 1>& labels,
                                                const Whole<uint8_t>& right) {
    check(pixels.shape(0), labels.size());
    if (right.size() != labels.size()) throw std::invalid_argument("one byte an image is needed");
    nb::gil_scoped_release nogil;
    const Scores s = network_.evaluate(pixels.data(), int64_t(pixels.shape(0)), int64_t(pixels.shape(1)),
                                       labels.data(), right.data());
    return {s.correct, s.correct5, s.loss};
  }

  Network network_;

 private:
  void check(std::size_t images, std::size_t labels) const {
    if (!ready_) throw std::invalid_argument("call finish first");
    if (images != labels) throw std::invalid_argument("one label an image is needed");
  }
  bool ready_ = false, has_blas_;
  int moments_;
};

// Plain arrays [features, batch], C-ordered.
class BoundLayer {
 public:
  BoundLayer(const std::string& isa, int threads, const In<uint8_t, 2>& mask, const In<float, 2>& weight)
      : layer_(*kernels_named(isa), threads, checked(mask, weight, threads), weight.data(),
               int(mask.shape(0)), int(mask.shape(1))) {}

  void forward(const In<float, 2>& x, const Whole<float>& y) {
    same(x.shape(0), layer_.n_in());
    same(y.size(), layer_.n_out() * long(x.shape(1)));
    nb::gil_scoped_release nogil;
    layer_.forward(x.data(), long(x.shape(1)), y.data());
  }

  void backward(const In<float, 2>& dy, const Whole<float>& dx, const Whole<float>& dw) {
    if (layer_.batch() == 0) throw std::invalid_argument("call forward first");
    same(dy.shape(0), layer_.n_out());
    same(dy.shape(1), layer_.batch());
    same(dx.size(), layer_.n_in() * layer_.batch());
    same(dw.size(), layer_.kept());
    nb::gil_scoped_release nogil;
    layer_.backward(dy.data(), dx.data(), dw.data());
  }

  long kept() const { return layer_.kept(); }

 private:
  static void same(std::size_t found, long wanted) {
    if (long(found) != wanted)
      throw std::invalid_argument("an array has " + std::to_string(found) + " where " +
                                  std::to_string(wanted) + " is needed");
  }
  static const uint8_t* checked(const In<uint8_t, 2>& mask, const In<float, 2>& weight, int threads) {
    same(weight.shape(0), long(mask.shape(0)));
    same(weight.shape(1), long(mask.shape(1)));
    if (threads < 1) throw std::invalid_argument("at least one thread is needed");
    return mask.data();
  }
  Layer layer_;
};

}  // namespace

NB_MODULE(_kernels, m) {
  m.doc() = "Sparse training on CPUs: kernels and the step that uses them.";
  m.def("instruction_sets", &instruction_sets, "Names of the compiled sets this machine runs, best first.");
  nb::class_<BoundLayer>(m, "Layer")
      .def(
          "__init__",
          [](BoundLayer* self, const std::string& isa, int threads, const In<uint8_t, 2>& mask,
             const In<float, 2>& weight) { new (self) BoundLayer(isa, threads, mask, weight); },
          nb::kw_only(), nb::arg("isa"), nb::arg("threads"), nb::arg("mask").noconvert(),
          nb::arg("weight").noconvert())
      .def("forward", &BoundLayer::forward, nb::arg("x").noconvert(), nb::arg("y").noconvert())
      .def("backward", &BoundLayer::backward, nb::arg("dy").noconvert(), nb::arg("dx").noconvert(),
           nb::arg("dw").noconvert())
      .def_prop_ro("kept", &BoundLayer::kept, "Kept weights.");
  nb::class_<Blas>(m, "Blas").def(
      "__init__",
      [](Blas* self, uintptr_t sgemm, uintptr_t set_threads) {
        new (self) Blas{.sgemm = reinterpret_cast<Blas::Sgemm>(sgemm),
                        .set_threads_local = reinterpret_cast<Blas::SetThreads>(set_threads)};
      },
      nb::kw_only(), nb::arg("sgemm"), nb::arg("set_threads"));
  nb::class_<Optimizer>(m, "Optimizer")
      .def(
          "__init__",
          [](Optimizer* self, const std::string& rule, float rate, float momentum,
             std::pair<double, double> betas, float epsilon) {
            new (self) Optimizer{.rule = find(RULES, rule, "rule"),
                                 .rate = rate,
                                 .momentum = momentum,
                                 .beta1 = betas.first,
                                 .beta2 = betas.second,
                                 .epsilon = epsilon};
          },
          nb::kw_only(), nb::arg("rule"), nb::arg("rate"), nb::arg("momentum"), nb::arg("betas"),
          nb::arg("epsilon"));
  nb::class_<BatchNorm>(m, "BatchNorm")
      .def(
          "__init__",
          [](BatchNorm* self, float epsilon, float decay) {
            new (self) BatchNorm{.epsilon = epsilon, .decay = decay};
          },
          nb::kw_only(), nb::arg("epsilon"), nb::arg("decay"));
  nb::class_<Bound>(m, "Network")
      .def(
          "__init__",
          [](Bound* self, const std::string& isa, int threads, const Blas& blas, const Optimizer& optimizer,
             std::optional<BatchNorm> norm, bool bf16) {
            new (self) Bound(Settings{.kernels = kernels_named(isa),
                                      .blas = blas,
                                      .threads = threads,
                                      .norm = norm,
                                      .bf16 = bf16,
                                      .optimizer = optimizer});
          },
          nb::kw_only(), nb::arg("isa"), nb::arg("threads"), nb::arg("blas"), nb::arg("optimizer"),
          nb::arg("norm").none(), nb::arg("bf16"))
      .def("add", &Bound::add, nb::arg("mask").noconvert(), nb::arg("rows").noconvert(),
           nb::arg("columns").noconvert(), nb::arg("n_live"), nb::arg("bias_kept").noconvert(),
           nb::arg("dense"), nb::arg("last"))
      .def("finish", &Bound::finish, nb::arg("mean").noconvert(), nb::arg("divisor"))
      .def("read", &Bound::exchange<true, float>, nb::arg("layer"), nb::arg("field"), nb::arg("slot"),
           nb::arg("whole").noconvert())
      .def("write", &Bound::exchange<false, const float>, nb::arg("layer"), nb::arg("field"), nb::arg("slot"),
           nb::arg("whole").noconvert())
      .def("step", &Bound::step<uint8_t>, nb::arg("pixels").noconvert(), nb::arg("indices").noconvert(),
           nb::arg("labels").noconvert())
      .def("step", &Bound::step<float>, nb::arg("pixels").noconvert(), nb::arg("indices").noconvert(),
           nb::arg("labels").noconvert())
      .def("evaluate", &Bound::evaluate<uint8_t>, nb::arg("pixels").noconvert(),
           nb::arg("labels").noconvert(), nb::arg("right").noconvert())
      .def("evaluate", &Bound::evaluate<float>, nb::arg("pixels").noconvert(), nb::arg("labels").noconvert(),
           nb::arg("right").noconvert())
      .def_prop_ro("moments", &Bound::moments, "How many numbers the optimizer remembers of each parameter.")
      .def_prop_rw(
          "steps", [](Bound& b) { return b.network_.steps(); },
          [](Bound& b, int64_t steps) { b.network_.set_steps(steps); }, "Updates since the level's start.");
}
