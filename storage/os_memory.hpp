// Address space that is reserved once and filled on demand, so that what lives in it never moves,
// and where on the machine its pages lie.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "storage/placement.hpp"
#include "storage/result.hpp"

namespace aeon::storage {

// A plan, and what became of it: where the system refuses, everything goes on without.
class MemoryPlacement {
 public:
  explicit MemoryPlacement(Placement plan) : plan_(std::move(plan)) {}
  [[nodiscard]] const Placement& plan() const noexcept { return plan_; }
  // One sentence for people. Any thread.
  [[nodiscard]] std::string note() const;
  // Keeps the calling thread on the processors of that worker. Best effort.
  void place_worker(std::size_t worker) noexcept;

 private:
  friend class OsMemory;
  void place(std::byte* data, std::size_t bytes) noexcept;
  const Placement plan_;
  // The errno of a call that was refused. Relaxed: figures for note(), nothing depends on them.
  std::atomic<int> memory_refused_{0};
  std::atomic<int> worker_refused_{0};
};

// The nodes that this process may use, as the system tells; one at most where it tells nothing.
[[nodiscard]] Topology read_topology();
// The plan for this machine, made at the first call. Lives for ever.
[[nodiscard]] MemoryPlacement& machine_placement();
// On which node each page of the range lies; a negative errno for a page that is not in memory.
// Errors: unsupported, io_error.
[[nodiscard]] Result<std::vector<int>> nodes_of_pages(std::span<const std::byte> range);

// A range of anonymous memory. Reserved addresses cost nothing until committed; committed bytes
// read as zero until written. Not thread-safe, except that memory committed before may be used by
// any thread meanwhile. The address never changes; the destructor gives everything back.
class OsMemory {
 public:
  // Reserves `wanted` bytes (rounded up to pages). Where the system refuses (an address-space
  // limit, strict overcommit) halves are tried down to `at_least`; size() tells what was granted,
  // and a caller that got less than it wanted chains further reservations. Errors: no_memory when
  // not even `at_least` is granted, invalid_argument when wanted is 0 or below at_least.
  [[nodiscard]] static Result<OsMemory> reserve(std::size_t wanted, std::size_t at_least,
                                                MemoryPlacement& placement = machine_placement());

  OsMemory() = default;
  ~OsMemory();
  OsMemory(OsMemory&& other) noexcept;
  OsMemory& operator=(OsMemory&& other) noexcept;

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // Makes the pages that [offset, offset+bytes) touches readable and writable; committing a page
  // again is harmless. Errors: no_memory, invalid_argument outside the reservation.
  [[nodiscard]] Status commit(std::size_t offset, std::size_t bytes);
  // Returns the pages that lie wholly inside the range to the system and makes them inaccessible;
  // they may be committed again and then read as zero. Best effort.
  void release(std::size_t offset, std::size_t bytes) noexcept;
  // Gives pages to committed memory ahead of its first use, in one call instead of one fault each.
  // A hint: true when the system took it.
  bool populate(std::size_t offset, std::size_t bytes) noexcept;
  // Asks for huge pages behind the range. A hint: true when the system took it.
  bool advise_huge(std::size_t offset, std::size_t bytes) noexcept;

 private:
  OsMemory(std::byte* data, std::size_t size, MemoryPlacement& placement) noexcept
      : data_(data), size_(size), placement_(&placement) {
    placement.place(data, size);
  }
  [[nodiscard]] bool inside(std::size_t offset, std::size_t bytes) const noexcept {
    return offset <= size_ && bytes <= size_ - offset;
  }
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  MemoryPlacement* placement_ = nullptr;
};

}  // namespace aeon::storage
