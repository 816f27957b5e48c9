// What Python sees of the kernels.
#include <nanobind/nanobind.h>

NB_MODULE(_kernels, m) { m.doc() = "Sparse training kernels."; }
