// The division of work: into pieces and parts, and over threads.
//
// Where one piece ends and the next begins does not depend on the number of threads wherever the order of a
// sum would follow from it. Results are therefore the same with any number of threads.
#pragma once

#include <algorithm>

#include "views.hpp"

namespace prunescope {

constexpr Index DENSE_ROWS = 256;          // rows of a dense product in one call of BLAS
constexpr Index DENSE_SAMPLES = 512;       // samples of a dense product in one call of BLAS
constexpr Index FEATURES = 256;            // features in one piece of elementwise work
constexpr Index ROUNDED_ROWS = 64;         // rows of a matrix that is rounded in one piece
constexpr Index THIN_COLUMNS = 64;         // columns of a thin map's gradient in one piece
constexpr Index SPARSE_ENTRIES = 1 << 13;  // entries of a sparse matrix in one piece
constexpr Index EVALUATED_IMAGES = 1000;  // images of one pass of an evaluation; more where a batch is larger

// The number of pieces of at most `length` indices that cover `size` indices.
constexpr Index piece_count(Index size, Index length) { return (size + length - 1) / length; }

// The indices of piece `number` of those pieces.
constexpr Range piece(Index size, Index length, Index number) {
  return {number * length, std::min(number * length + length, size)};
}

// The indices of part `number` of `count` parts of `size` indices, whose sizes differ by one at most.
constexpr Range part(Index size, Index count, Index number) {
  return {size * number / count, size * (number + 1) / count};
}

// Calls task(0), ..., task(count - 1), in any order, on at most `threads` threads.
template <class F>
void parallel_for([[maybe_unused]] int threads, Index count, F task) {
#if defined(_OPENMP)
  if (threads > 1 && count > 1) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (Index i = 0; i < count; ++i) task(i);
    return;
  }
#endif
  for (Index i = 0; i < count; ++i) task(i);
}

}  // namespace prunescope
