// Memory for activations and weights: cache-line aligned, zeroed, in large pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "views.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace prunescope {

struct Unfilled {};

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size) : Buffer(size, Unfilled{}) {
    if (size) std::memset(data_.get(), 0, size * sizeof(T));
  }
  // Leaves the memory unfilled, so that what is never written takes no memory.
  Buffer(Index size, Unfilled) : size_(size) {
    if (size == 0) return;
    constexpr std::size_t page = 2 << 20;
    const std::size_t wanted = size * sizeof(T), align = wanted >= page ? page : 64;
    const std::size_t bytes = (wanted + align - 1) / align * align;
    void* memory = std::aligned_alloc(align, bytes);
    if (!memory) throw std::bad_alloc();
#if defined(__linux__)
    if (align == page) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    data_.reset(static_cast<T*>(memory));
  }

  T* get() { return data_.get(); }
  const T* get() const { return data_.get(); }
  Index size() const { return size_; }
  T& operator[](Index i) { return data_.get()[i]; }
  const T& operator[](Index i) const { return data_.get()[i]; }

  // Sets every element to 0.
  void clear() {
    if (size_) std::memset(data_.get(), 0, size_ * sizeof(T));
  }

  // Takes new, zeroed memory where there are fewer than `size` elements; else leaves everything as it is.
  void reserve(Index size) {
    if (size_ < size) *this = Buffer(size);
  }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  std::unique_ptr<T[], Free> data_;
  Index size_ = 0;
};

}  // namespace prunescope
