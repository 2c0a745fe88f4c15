// Memory that only grows: a bump allocator over address space that is reserved once and committed
// as it fills. What was handed out never moves and lives until the arena dies, so readers may keep
// plain pointers into it without asking anyone.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace aeon::storage {

class Arena {
 public:
  // Reserves `reserve_bytes` of address space at the first allocation. Where the system grants
  // less, or once the reservation is used up, further chunks are reserved as needed.
  explicit Arena(std::size_t reserve_bytes) noexcept;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` of zeroed memory at a multiple of `alignment` (a power of two up to the page size), or
  // null when memory or address space can't be had; the arena stays usable then. One writer at a
  // time; any thread may meanwhile use what was handed out before. Amortised constant time; a
  // system call once per commit step (64 KiB, growing with the arena to 1 MiB).
  [[nodiscard]] std::byte* allocate(std::size_t bytes, std::size_t alignment = 8) noexcept;

  // Memory that the arena holds from the system, and what of it was handed out. Any thread.
  [[nodiscard]] std::size_t committed_bytes() const noexcept {
    return committed_.load(std::memory_order_relaxed);  // a figure, nothing is read through it
  }
  [[nodiscard]] std::size_t used_bytes() const noexcept {
    return used_.load(std::memory_order_relaxed);  // a figure, nothing is read through it
  }

 private:
  struct Chunk;

  bool add_chunk(std::size_t at_least) noexcept;
  bool commit_up_to(std::size_t end) noexcept;

  const std::size_t reserve_bytes_;
  std::unique_ptr<Chunk> last_;  // the chunk being filled; earlier ones hang behind it
  std::size_t next_ = 0;         // first free byte of the last chunk
  std::size_t ready_ = 0;        // bytes of the last chunk that are committed
  std::atomic<std::size_t> committed_{0};
  std::atomic<std::size_t> used_{0};
};

}  // namespace aeon::storage
