// The question to the processor which instruction sets it runs. See dispatch.hpp.
#include "dispatch.hpp"

#include <stdexcept>

namespace prunescope {
namespace {

std::vector<const Kernels*> usable() {
  std::vector<const Kernels*> found;
#if defined(PRUNESCOPE_HAVE_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    found.push_back(&kernels_avx512);
#endif
#if defined(PRUNESCOPE_HAVE_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&kernels_avx2);
#endif
#if defined(PRUNESCOPE_HAVE_NEON)
  found.push_back(&kernels_neon);
#else
  found.push_back(&kernels_baseline);
#endif
  return found;
}

}  // namespace

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : usable()) names.push_back(kernels->name);
  return names;
}

const Kernels& kernels_named(const std::string& name) {
  for (const Kernels* kernels : usable())
    if (name == kernels->name) return *kernels;
  throw std::invalid_argument("this machine does not run the instruction set '" + name + "'");
}

}  // namespace prunescope
