// The extension module prunescope.native._kernels: names, keywords and docstrings of what Python sees.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings.hpp"

using namespace prunescope;

NB_MODULE(_kernels, m) {
  m.doc() = "Sparse training on CPUs: the network of one level, whose steps cost what the kept weights cost.";
  m.def("instruction_sets", &instruction_sets,
        "Return the names of the instruction sets that the kernels have and this machine runs, best first.");
  nb::class_<LayerBinding>(m, "Layer")
      .def(
          "__init__",
          [](LayerBinding* self, const std::string& isa, int threads, const In<uint8_t, 2>& mask,
             const In<float, 2>& weight, std::optional<std::pair<Index, bool>> blocks) {
            new (self) LayerBinding(isa, threads, mask, weight, blocks);
          },
          nb::kw_only(), nb::arg("isa"), nb::arg("threads"), nb::arg("mask").noconvert(),
          nb::arg("weight").noconvert(), nb::arg("blocks").none() = nb::none(),
          "Take the kept weights of a matrix; blocks is (columns of a block, whether two tiles are taken at "
          "a time), "
          "by default what a network would take.")
      .def("forward", &LayerBinding::forward, nb::arg("x").noconvert(), nb::arg("y").noconvert(),
           "Write the products with x [n_in, batch] to y [n_out, batch].")
      .def("backward", &LayerBinding::backward, nb::arg("dy").noconvert(), nb::arg("dx").noconvert(),
           nb::arg("dw").noconvert(),
           "Write the gradients that follow from dy [n_out, batch] to dx [n_in, batch] and dw [kept].")
      .def("seconds", &LayerBinding::seconds, nb::arg("repeats"),
           "Repeat the last forward product, weight gradient and input gradient, and return the least "
           "seconds of each, "
           "without the moves into tiles and back.")
      .def_prop_ro("kept", &LayerBinding::kept, "The number of kept weights.");
  nb::class_<Blas>(m, "Blas").def(
      "__init__",
      [](Blas* self, uintptr_t sgemm, uintptr_t set_threads, uintptr_t narrow,
         std::tuple<uintptr_t, uintptr_t, uintptr_t> packing) {
        const auto [size, pack, packed] = packing;
        new (self) Blas{.sgemm = reinterpret_cast<Blas::Sgemm>(sgemm),
                        .set_threads_local = reinterpret_cast<Blas::SetThreads>(set_threads),
                        .narrow = reinterpret_cast<Blas::NarrowGemm>(narrow),
                        .packed_size = reinterpret_cast<Blas::PackedSize>(size),
                        .pack = reinterpret_cast<Blas::Pack>(pack),
                        .packed_sgemm = reinterpret_cast<Blas::PackedSgemm>(packed)};
      },
      nb::kw_only(), nb::arg("sgemm"), nb::arg("set_threads"), nb::arg("narrow"), nb::arg("packing"));
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
  nb::class_<NetworkBinding>(m, "Network")
      .def(
          "__init__",
          [](NetworkBinding* self, const std::string& isa, int threads, const Blas& blas,
             const Optimizer& optimizer, std::optional<BatchNorm> norm, bool bf16) {
            new (self) NetworkBinding(Settings{.kernels = &kernels_named(isa),
                                               .blas = blas,
                                               .threads = threads,
                                               .norm = norm,
                                               .bf16 = bf16,
                                               .optimizer = optimizer});
          },
          nb::kw_only(), nb::arg("isa"), nb::arg("threads"), nb::arg("blas"), nb::arg("optimizer"),
          nb::arg("norm").none(), nb::arg("bf16"))
      .def("add", &NetworkBinding::add, nb::kw_only(), nb::arg("mask").noconvert(),
           nb::arg("rows").noconvert(), nb::arg("columns").noconvert(), nb::arg("live_columns"),
           nb::arg("bias_kept").noconvert(), nb::arg("dense"), nb::arg("last"),
           "Add a linear map, from the pixels up: some rows and columns of a layer's mask uint8 [n_out, "
           "n_in]. The first "
           "live_columns of the columns are the rows of the map below; the others are constant inputs.")
      .def("finish", &NetworkBinding::finish, nb::arg("mean").noconvert(), nb::arg("divisor"),
           "End the adding: a byte pixel's input is (byte - mean) / divisor, with float32 mean [n_in].")
      .def("read", &NetworkBinding::read, nb::arg("layer"), nb::arg("field"), nb::arg("slot"),
           nb::arg("whole").noconvert(),
           "Copy the kept entries of a layer's field into the whole array; slot 0 is the value, 1 and 2 are "
           "moments.")
      .def("write", &NetworkBinding::write, nb::arg("layer"), nb::arg("field"), nb::arg("slot"),
           nb::arg("whole").noconvert(), "Copy the kept entries of a layer's field from the whole array.")
      .def("step", &NetworkBinding::step<uint8_t>, nb::arg("pixels").noconvert(),
           nb::arg("indices").noconvert(), nb::arg("labels").noconvert(),
           "Make one update on pixels[indices], and return the batch's mean loss (nats).")
      .def("step", &NetworkBinding::step<float>, nb::arg("pixels").noconvert(),
           nb::arg("indices").noconvert(), nb::arg("labels").noconvert())
      .def("evaluate", &NetworkBinding::evaluate<uint8_t>, nb::arg("pixels").noconvert(),
           nb::arg("labels").noconvert(), nb::arg("right").noconvert(),
           "Return top-1 and top-5 counts and the summed loss (nats); write which images are right to uint8 "
           "right [N].")
      .def("evaluate", &NetworkBinding::evaluate<float>, nb::arg("pixels").noconvert(),
           nb::arg("labels").noconvert(), nb::arg("right").noconvert())
      .def_prop_ro("moments", &NetworkBinding::moments,
                   "The number of moments that the optimizer remembers of each parameter.")
      .def_prop_rw("steps", &NetworkBinding::steps, &NetworkBinding::set_steps,
                   "The number of updates since the level's start.");
}
