// Address space that is reserved once and filled on demand, so that what lives in it never moves.
#pragma once

#include <cstddef>
#include <span>

#include "storage/result.hpp"

namespace aeon::storage {

// A range of anonymous memory. Reserved addresses cost nothing until committed; committed bytes
// read as zero until written. Not thread-safe, except that memory committed before may be used by
// any thread meanwhile. The address never changes; the destructor gives everything back.
class OsMemory {
 public:
  // Reserves `wanted` bytes (rounded up to pages). Where the system refuses (an address-space
  // limit, strict overcommit) halves are tried down to `at_least`; size() tells what was granted,
  // and a caller that got less than it wanted chains further reservations. Errors: no_memory when
  // not even `at_least` is granted, invalid_argument when wanted is 0 or below at_least.
  [[nodiscard]] static Result<OsMemory> reserve(std::size_t wanted, std::size_t at_least);

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
  OsMemory(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
  [[nodiscard]] bool inside(std::size_t offset, std::size_t bytes) const noexcept {
    return offset <= size_ && bytes <= size_ - offset;
  }
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace aeon::storage
