// How work is cut. Nothing here depends on the number of threads, so results do not either.
#pragma once

namespace prunescope {

constexpr int DENSE_ROWS = 256;  // of a dense product at a time
constexpr int DENSE_SAMPLES = 1024;
constexpr int CHUNK = 256;         // columns or rows of elementwise work at a time
constexpr int EVALUATED = 1000;    // images at a time, or a batch where that is more
constexpr int WHOLE_COLUMNS = 64;  // of a thin output layer's gradient at a time
constexpr long ENTRIES = 1 << 13;  // of a sparse matrix at a time

constexpr int pieces(long size, long piece) { return int((size + piece - 1) / piece); }

}  // namespace prunescope
