// Products with the kept weights of a sparse matrix: forward, weight gradient, input gradient.
//
// A visit takes two rows over one block of columns. It holds both rows' sums, over as many samples as there
// are registers for, and goes through the columns that the rows keep; each weight is spread over a vector and
// multiplied with the column's samples. Four things make it as fast as a dense product:
//
//   - The inputs of a block are in the first cache, and are read by all rows.
//   - A column that both rows keep is loaded once for two products.
//   - Weights and column numbers are read as one stream, in the order in which they are stored.
//   - Visits are sorted by their numbers of steps, so that loops end where the branch predictor expects it.
//
// The weight gradient makes the same visits: it holds the two rows' deltas, and the products with a column's
// samples are reduced to one sum an entry, many entries together. Where more samples fit into registers than
// a tile has, a visit takes two tiles; where fewer do, a tile takes several rounds.
//
// The sums of a row are added up in the order of the blocks and, within these, of the visits' steps, whatever
// the tiles, threads or calls. kernels.cpp includes this file, once for each instruction set.
#pragma once

#include "tiles.hpp"

namespace prunescope {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int MOST_VECTORS = 8;  // of each row: two rows' sums fill half of 32 registers
#else
constexpr int MOST_VECTORS = 4;  // half of 16
#endif
constexpr int ONE_TILE = VECTORS < MOST_VECTORS ? VECTORS : MOST_VECTORS;  // in a round, of a single tile
constexpr bool TWO_TILES_FIT = 2 * VECTORS <= MOST_VECTORS;

// How blocks are cut: measured by benchmarks/block_widths.py. A block's inputs fill the first cache; the
// sparser the rows, the wider their blocks, so that a visit's steps outweigh its beginning and end.
#if defined(__AVX512F__)
constexpr BlockChoice BLOCK_CHOICES[] = {
    {0.2, 64, true, true}, {0.08, 128, false, true}, {0.015, 256, false, false}, {0, 1024, false, false}};
#else
constexpr BlockChoice BLOCK_CHOICES[] = {
    {0.1, 128, false, false}, {0.015, 256, false, false}, {0, 1024, false, false}};
#endif

// Keeps a loaded vector in its register. The compiler would load it again for every product, to save a name.
#if defined(__AVX512F__)
#define HELD(vector) asm("" : "+v"(vector))
#elif defined(__x86_64__)
#define HELD(vector) asm("" : "+x"(vector))
#else
#define HELD(vector)
#endif
// Keeps an address in its register, so that those of the samples behind it are at constant distances.
#define KEPT(address) asm("" : "+r"(address))

// N vectors of samples of one feature, or of one row of sums; those beyond a tile are `apart` further on.
template <int N, class T>
struct Samples {
  T *here, *there;

  INLINE Samples(T* first, Index apart) : here(first), there(first + apart) {
    if constexpr (N > VECTORS) KEPT(there);
  }
  INLINE T* at(int i) const { return i < VECTORS ? here + i * WIDTH : there + (i - VECTORS) * WIDTH; }
  INLINE void fetch() const {
#pragma GCC unroll 8
    for (int i = 0; i < N; i += 64 / (4 * WIDTH)) __builtin_prefetch(at(i));
  }
};

// The inputs of one round: feature f starts at data + f * stride, those of the second tile `apart` further
// on.
template <class T>
struct RoundInputs {
  const T* data;
  Index stride, apart;

  template <int N>
  INLINE Samples<N, const T> samples(Index f) const {
    return {data + f * stride, apart};
  }
};

INLINE const uint8_t* numbers(const RowPairs& pairs, uint8_t) { return pairs.narrow; }
INLINE const uint16_t* numbers(const RowPairs& pairs, uint16_t) { return pairs.wide; }

// Asks for the first `count` features of a tile in order, before rows read them at random. The tile comes
// from a cache further out, and the processor fetches ahead by itself only what is read in order.
template <class T>
INLINE void prefetch(Tile<T> tile, Index count) {
  constexpr Index line = 64 / sizeof(T);
  for (Index f = 0; f < count; ++f)
    for (Index i = 0; i < TILE; i += line) __builtin_prefetch(tile.feature(f) + i, 0, 2);
}

// Returns one block of the inputs of TILES tiles. Bytes are widened to floats in `scratch` where all rows
// read them there; in wide blocks most are read by few rows, and each of these widens them itself.
template <int TILES, class C>
INLINE RoundInputs<float> block_inputs(const RowPairs& pairs, Index block, Tiles<const float> x, Index tile,
                                       float*, C) {
  if constexpr (sizeof(C) > 1)
    for (int t = 0; t < TILES; ++t) prefetch(x[tile + t], pairs.columns);
  return {x[tile].feature(block * pairs.width), x.stride, x.tile_stride};
}
template <int TILES>
INLINE RoundInputs<float> block_inputs(const RowPairs& pairs, Index block, Tiles<const int8_t> x, Index tile,
                                       float* scratch, uint8_t) {
  const Index first = block * pairs.width, left = pairs.columns - first,
              count = left < pairs.width ? left : pairs.width;
  for (int t = 0; t < TILES; ++t)
    for (Index c = 0; c < count; ++c)
      for (int i = 0; i < VECTORS; ++i)
        store(scratch + (t * pairs.width + c) * TILE + i * WIDTH,
              load(x[tile + t].feature(first + c) + i * WIDTH));
  return {scratch, TILE, pairs.width * TILE};
}
template <int TILES>
INLINE RoundInputs<int8_t> block_inputs(const RowPairs& pairs, Index block, Tiles<const int8_t> x, Index tile,
                                        float*, uint16_t) {
  for (int t = 0; t < TILES; ++t) prefetch(x[tile + t], pairs.columns);
  return {x[tile].feature(block * pairs.width), x.stride, x.tile_stride};
}

// Adds a visit's products to the sums s and t of its rows, and moves on to the next visit's columns and
// weights.
template <int N, class T, class C>
INLINE void add_products(const Visit& visit, const C*& column, const float*& weight, RoundInputs<T> x,
                         Vector* s, Vector* t) {
  for (int left = visit.both; left > 0; --left, ++column, weight += 2) {
    const auto from = x.template samples<N>(*column);
    const Vector u = splat(weight[0]), v = splat(weight[1]);
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      Vector in = load(from.at(i));
      HELD(in);
      s[i] += u * in, t[i] += v * in;
    }
  }
  for (int left = visit.own; left > 0; --left, column += 2, weight += 2) {
    const auto from = x.template samples<N>(column[0]), other = x.template samples<N>(column[1]);
    const Vector u = splat(weight[0]), v = splat(weight[1]);
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) s[i] += u * load(from.at(i));
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) t[i] += v * load(other.at(i));
  }
}

// Calls end(visit, tile, 0, s, t) with the sums of one tile from memory. Beside the sums of two tiles there
// would be too few registers for an end that takes many.
template <class End>
__attribute__((noinline)) void end_from_memory(const End& end, const Visit& visit, int tile,
                                               const float* s_at, const float* t_at) {
  Vector s[VECTORS], t[VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < VECTORS; ++i) s[i] = load(s_at + i * WIDTH), t[i] = load(t_at + i * WIDTH);
  end(visit, tile, 0, s, t);
}

// Computes all sums of a share's rows over the samples of TILES tiles from `tile` on, in rounds of N vectors.
// They start as start(row); when the last block is done, end(visit, t, round, sums, sums) takes those of a
// visit's rows in tile number t of these.
template <int N, int TILES, class C, class T, class Start, class End>
INLINE void multiply(const PairedMatrix& matrix, const Share& share, Tiles<const T> input, Index tile,
                     Start start, const End& end) {
  constexpr Index PITCH = TILES * TILE;
  constexpr int EACH = N / TILES;  // vectors of a tile
  constexpr bool from_memory = TILES > 1 && requires { typename End::TakesManyRegisters; };
  const RowPairs& pairs = matrix.pairs;
  const Index first_row = share.groups.begin * GROUP_ROWS,
              rows = (share.groups.end - share.groups.begin) * GROUP_ROWS;
  float *const sums = share.scratch, *const nobody = sums + rows * PITCH, *const widened = nobody + PITCH;
  for (Index block = 0; block < pairs.blocks; ++block) {
    const bool first = block == 0, last = block == pairs.blocks - 1;
    const auto x = block_inputs<TILES>(pairs, block, input, tile, widened, C{});
    for (int round = 0; round * N < TILES * VECTORS; ++round) {
      auto own = x;
      own.data += round * N * WIDTH;
      const auto place = [&](uint32_t row) -> Samples<N, float> {
        float* const at = row == NOBODY ? nobody : sums + (Index(row) - first_row) * PITCH;
        return {at + round * N * WIDTH, TILE};
      };
      for (Index group = share.groups.begin; group < share.groups.end; ++group) {
        const Index piece = block * pairs.groups + group;
        const Visit *visit = pairs.visit + pairs.first[piece], *none = pairs.visit + pairs.first[piece + 1];
        const C* column = numbers(pairs, C{}) + pairs.place[piece];
        const float* weight = matrix.weight + pairs.slot[piece];
        for (; visit != none; ++visit) {
          const auto s_at = place(visit->row[0]), t_at = place(visit->row[1]);
          Vector s[N], t[N];
          if (first) {
            const Vector s_start = start(visit->row[0]),
                         t_start = visit->row[1] == NOBODY ? Vector{} : start(visit->row[1]);
#pragma GCC unroll 8
            for (int i = 0; i < N; ++i) s[i] = s_start, t[i] = t_start;
          } else {
#pragma GCC unroll 8
            for (int i = 0; i < N; ++i) s[i] = load(s_at.at(i)), t[i] = load(t_at.at(i));
          }
          add_products<N>(*visit, column, weight, own, s, t);
          if (last && !from_memory) {
            for (int q = 0; q < TILES; ++q) end(*visit, q, round, s + q * EACH, t + q * EACH);
          } else {
#pragma GCC unroll 8
            for (int i = 0; i < N; ++i) store(s_at.at(i), s[i]), store(t_at.at(i), t[i]);
            if (last)
              for (int q = 0; q < TILES; ++q)
                end_from_memory(end, *visit, q, s_at.at(q * EACH), t_at.at(q * EACH));
          }
        }
      }
    }
  }
}

// Calls task<N, TILES>(tile) for all tiles of a share: for two at a time where they fit and are wanted.
template <class F>
INLINE void for_each_tile(const Share& share, F task) {
  Index tile = share.tiles.begin;
  if constexpr (TWO_TILES_FIT)
    for (; share.two_tiles && tile + 2 <= share.tiles.end; tile += 2)
      task.template operator()<2 * VECTORS, 2>(tile);
  for (; tile < share.tiles.end; ++tile) task.template operator()<ONE_TILE, 1>(tile);
}

// The last step of the forward product: bias is in the sums already.
template <int N, int TILES>
struct ForwardEnd {
  struct TakesManyRegisters {};

  Tiles<float> output;
  Index tile;
  Epilogue epilogue[TILES];
  const SampleMask* mask;  // of each tile

  INLINE void operator()(const Visit& visit, int t, int round, Vector* own, Vector* other) const {
    constexpr int EACH = N / TILES;
    const Activation activation{epilogue[t].relu, mask[t]};
    const bool alone = visit.row[1] == NOBODY;
    const auto write = [&](Index row, Vector* sums) {
      float* const to = output[tile + t].feature(row);
#pragma GCC unroll 8
      for (int i = 0; i < EACH; ++i) {
        sums[i] = activation(sums[i], round * EACH + i);
        store(to + (round * EACH + i) * WIDTH, sums[i]);
      }
    };
    write(visit.row[0], own);
    if (!alone) write(visit.row[1], other);
    const Statistics& statistics = epilogue[t].statistics;
    if constexpr (EACH == VECTORS)
      if (statistics.mean)
        register_statistics(own, other, mask[t], statistics.from(visit.row[0]),
                            alone ? Statistics{} : statistics.from(visit.row[1]));
  }
};

template <class T, class C>
void forward_numbered(const PairedMatrix& matrix, const Share& share, Tiles<const T> input,
                      Tiles<float> output, const BatchEpilogue& epilogue) {
  for_each_tile(share, [&]<int N, int TILES>(Index tile) {
    const SampleMask mask[2] = {SampleMask(epilogue.at(tile).valid),
                                SampleMask(epilogue.at(tile + TILES - 1).valid)};
    ForwardEnd<N, TILES> end{output, tile, {}, mask};
    for (int t = 0; t < TILES; ++t) end.epilogue[t] = epilogue.at(tile + t);
    multiply<N, TILES, C>(
        matrix, share, input, tile, [&](Index row) { return splat(epilogue.bias[row]); }, end);
    if (N < VECTORS && epilogue.statistics.mean) {
      const Index first = share.groups.begin * GROUP_ROWS, all = share.groups.end * GROUP_ROWS,
                  rows = all < matrix.pairs.rows ? all : matrix.pairs.rows;
      for (Index r = first; r < rows; r += WIDTH)
        row_statistics(output[tile].from(r), r + WIDTH < rows ? WIDTH : rows - r, mask[0],
                       end.epilogue[0].statistics.from(r));
    }
  });
}

template <class T>
void forward(const PairedMatrix& matrix, const Share& share, Tiles<const T> input, Tiles<float> output,
             const BatchEpilogue& epilogue) {
  if (matrix.pairs.narrow)
    forward_numbered<T, uint8_t>(matrix, share, input, output, epilogue);
  else
    forward_numbered<T, uint16_t>(matrix, share, input, output, epilogue);
}

// Does the epilogue of rows of products that are in memory already.
void finish_rows(Index rows, Tile<float> output, const Epilogue& epilogue) {
  const SampleMask mask(epilogue.valid);
  const Activation activation{epilogue.relu, mask};
  for (Index first = 0; first < rows; first += WIDTH) {
    const int count = first + WIDTH < rows ? WIDTH : rows - first;
    for (Index r = first; r < first + count; ++r) {
      const Vector bias = splat(epilogue.bias[r]);
      for (int i = 0; i < VECTORS; ++i) {
        float* p = output.feature(r) + i * WIDTH;
        store(p, activation(load(p) + bias, i));
      }
    }
    if (epilogue.statistics.mean)
      row_statistics(output.from(first), count, mask, epilogue.statistics.from(first));
  }
}

// Sums of pairs of products, on their way to the gradient: halves of vectors wait here until there are enough
// of them to be reduced together, wherever visits end.
class GradientStream {
 public:
  // `add`: the sums are added to what is there.
  INLINE GradientStream(float* gradient, bool add) : gradient_(gradient), add_(add) {}
  INLINE void push(Vector u, Vector v) { *next_++ = halves(u, v); }
  // Reduces what waits, unless there is little of it: after it MOST_STEPS more fit.
  INLINE void reduce_full() {
    if (next_ - buffer_ < ENOUGH) return;
    const Index whole = (next_ - buffer_) / TOGETHER;
    for (Index e = 0; e < whole; ++e) write(buffer_ + e * TOGETHER);
#pragma GCC unroll 8
    for (int e = 0; e < TOGETHER; ++e) buffer_[e] = buffer_[whole * TOGETHER + e];
    next_ -= whole * TOGETHER;
  }
  // Writes what is left. A piece's weights are a multiple of PADDING, so what is written is the piece's own.
  INLINE void finish() {
    const Index left = next_ - buffer_;
    for (int e = 0; e < TOGETHER; ++e) next_[e] = Vector{};
    for (Index e = 0; e < left; e += TOGETHER) write(buffer_ + e);
  }

  static constexpr int MOST_STEPS = 256;

 private:
  INLINE void write(const Vector* from) {
    const Vector sums = sums_of_halves(from);
    store(gradient_, add_ ? load(gradient_) + sums : sums);
    gradient_ += WIDTH;
  }

  static constexpr int TOGETHER = WIDTH / 2, ENOUGH = 16;
  alignas(64) Vector buffer_[ENOUGH + MOST_STEPS + TOGETHER];
  Vector* next_ = buffer_;
  float* gradient_;
  bool add_;
};

// Writes, or adds, the gradient of one piece over one round's samples.
template <int N, class C, class T>
INLINE void piece_gradient(const RowPairs& pairs, Index piece, RoundInputs<float> delta, RoundInputs<T> x,
                           const WeightGradient& gradient, bool add, bool sum_rows) {
  alignas(64) static const float zeros[2 * TILE] = {};
  const Visit *visit = pairs.visit + pairs.first[piece], *none = pairs.visit + pairs.first[piece + 1];
  const C* column = numbers(pairs, C{}) + pairs.place[piece];
  GradientStream stream(gradient.weight + pairs.slot[piece], add);
  const auto place = [&](uint32_t row) -> Samples<N, const float> {
    return row == NOBODY ? Samples<N, const float>(zeros, TILE) : delta.template samples<N>(row);
  };
  for (; visit != none; ++visit) {
    const auto s_at = place(visit->row[0]), t_at = place(visit->row[1]);
    Vector s[N], t[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) s[i] = load(s_at.at(i)), t[i] = load(t_at.at(i));
    place(visit[1].row[0]).fetch(), place(visit[1].row[1]).fetch();
    if (sum_rows) {
      Vector u = s[0], v = t[0];
#pragma GCC unroll 8
      for (int i = 1; i < N; ++i) u += s[i], v += t[i];
      gradient.row_sum[visit->row[0]] += sum(u);
      if (visit->row[1] != NOBODY) gradient.row_sum[visit->row[1]] += sum(v);
    }
    for (int all = visit->both; all > 0; all -= GradientStream::MOST_STEPS) {
      for (int left = all < GradientStream::MOST_STEPS ? all : GradientStream::MOST_STEPS; left > 0; --left) {
        const auto from = x.template samples<N>(*column++);
        Vector in = load(from.at(0));
        HELD(in);
        Vector u = s[0] * in, v = t[0] * in;
#pragma GCC unroll 8
        for (int i = 1; i < N; ++i) {
          Vector in = load(from.at(i));
          HELD(in);
          u += s[i] * in, v += t[i] * in;
        }
        stream.push(u, v);
      }
      stream.reduce_full();
    }
    for (int all = visit->own; all > 0; all -= GradientStream::MOST_STEPS) {
      for (int left = all < GradientStream::MOST_STEPS ? all : GradientStream::MOST_STEPS; left > 0; --left) {
        const auto from = x.template samples<N>(column[0]), other = x.template samples<N>(column[1]);
        column += 2;
        Vector u = s[0] * load(from.at(0)), v = t[0] * load(other.at(0));
#pragma GCC unroll 8
        for (int i = 1; i < N; ++i) u += s[i] * load(from.at(i)), v += t[i] * load(other.at(i));
        stream.push(u, v);
      }
      stream.reduce_full();
    }
  }
  stream.finish();
}

template <class T, class C>
void weight_gradient_numbered(const RowPairs& pairs, const Share& share, Tiles<const float> delta,
                              Tiles<const T> input, const WeightGradient& gradient) {
  for (Index block = 0; block < pairs.blocks; ++block)
    for_each_tile(share, [&]<int N, int TILES>(Index tile) {
      const auto x = block_inputs<TILES>(pairs, block, input, tile, share.scratch, C{});
      for (int round = 0; round * N < TILES * VECTORS; ++round) {
        auto own = x;
        own.data += round * N * WIDTH;
        const RoundInputs<float> own_delta{delta[tile].data + round * N * WIDTH, delta.stride,
                                           delta.tile_stride};
        const bool add = tile > share.tiles.begin || round > 0;
        for (Index group = share.groups.begin; group < share.groups.end; ++group)
          piece_gradient<N, C>(pairs, block * pairs.groups + group, own_delta, own, gradient, add,
                               block == 0);
      }
    });
}

template <class T>
void weight_gradient(const RowPairs& pairs, const Share& share, Tiles<const float> delta,
                     Tiles<const T> input, const WeightGradient& gradient) {
  if (pairs.narrow)
    weight_gradient_numbered<T, uint8_t>(pairs, share, delta, input, gradient);
  else
    weight_gradient_numbered<T, uint16_t>(pairs, share, delta, input, gradient);
}

// Turns the products of one hidden unit into the gradient towards its sums, in place of its activations.
struct InputGradient {
  float* hidden;
  Vector mean, shift, slope;

  INLINE void operator()(int i, Vector product) const {
    const Vector value = load(hidden + i * WIDTH);
    const Vector gradient = product - shift - (value - mean) * slope;
    store(hidden + i * WIDTH, select(value > Vector{}, gradient, Vector{}));
  }
};

INLINE InputGradient input_gradient_of(float* hidden, const InputGradientTerms& terms, Index column) {
  return {hidden, splat(terms.mean[column]), splat(terms.shift[column]), splat(terms.slope[column])};
}

template <class C>
void input_gradient_numbered(const PairedMatrix& transposed, const Share& share, Tiles<const float> delta,
                             Tiles<float> hidden, const InputGradientTerms& terms) {
  for_each_tile(share, [&]<int N, int TILES>(Index tile) {
    const auto end = [&](const Visit& visit, int t, int round, const Vector* own, const Vector* other) {
      const auto write = [&](Index column, const Vector* sums) {
        const InputGradient gradient = input_gradient_of(hidden[tile + t].feature(column), terms, column);
#pragma GCC unroll 8
        for (int i = 0; i < N / TILES; ++i) gradient(round * (N / TILES) + i, sums[i]);
      };
      write(visit.row[0], own);
      if (visit.row[1] != NOBODY) write(visit.row[1], other);
    };
    multiply<N, TILES, C>(transposed, share, delta, tile, [](Index) { return Vector{}; }, end);
  });
}

void input_gradient(const PairedMatrix& transposed, const Share& share, Tiles<const float> delta,
                    Tiles<float> hidden, const InputGradientTerms& terms) {
  if (transposed.pairs.narrow)
    input_gradient_numbered<uint8_t>(transposed, share, delta, hidden, terms);
  else
    input_gradient_numbered<uint16_t>(transposed, share, delta, hidden, terms);
}

void finish_input_gradient(const float* product, float* hidden, const InputGradientTerms& terms,
                           Index column) {
  const InputGradient write = input_gradient_of(hidden, terms, column);
  for (int i = 0; i < VECTORS; ++i) write(i, load(product + i * WIDTH));
}

}  // namespace
}  // namespace prunescope
