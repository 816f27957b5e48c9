// The instruction sets that the kernels were compiled for, and which of them this machine runs.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace prunescope {

// Returns the names of those that this machine runs, best first.
std::vector<std::string> instruction_sets();

// Returns the kernels of one of them; throws std::invalid_argument for a name that is not among them.
const Kernels& kernels_named(const std::string& name);

}  // namespace prunescope
