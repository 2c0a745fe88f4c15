#include "storage/os_memory.hpp"

#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "storage/checksum.hpp"
#include "storage/process_fence.hpp"

namespace aeon::storage {
namespace {

constexpr std::size_t down(std::size_t value) { return value & ~(kPageBytes - 1); }
constexpr std::size_t up(std::size_t value) { return down(value + kPageBytes - 1); }

}  // namespace

Result<OsMemory> OsMemory::reserve(std::size_t wanted, std::size_t at_least) {
  if (wanted == 0 || at_least > wanted ||
      wanted > std::numeric_limits<std::size_t>::max() - kPageBytes) {
    return fail(Errc::invalid_argument,
                fmt::format("cannot reserve {} bytes (at least {})", wanted, at_least));
  }
  const std::size_t least = std::max(up(at_least), kPageBytes);
  for (std::size_t size = up(wanted);; size = std::max(up(size / 2), least)) {
    void* at = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED) return OsMemory(static_cast<std::byte*>(at), size);
    if (size == least) {
      return std::unexpected(
          os_error(errno, fmt::format("reserve {} bytes of address space", size)));
    }
  }
}

OsMemory::~OsMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

OsMemory::OsMemory(OsMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

OsMemory& OsMemory::operator=(OsMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Status OsMemory::commit(std::size_t offset, std::size_t bytes) {
  if (!inside(offset, bytes)) {
    return fail(Errc::invalid_argument, fmt::format("commit of {} bytes at {} in a reservation of "
                                                    "{} bytes",
                                                    bytes, offset, size_));
  }
  if (bytes == 0) return {};
  const std::size_t first = down(offset);
  const std::size_t last = up(offset + bytes);
  if (::mprotect(data_ + first, last - first, PROT_READ | PROT_WRITE) != 0) {
    return std::unexpected(os_error(errno, fmt::format("commit {} bytes of memory", last - first)));
  }
  return {};
}

void OsMemory::release(std::size_t offset, std::size_t bytes) noexcept {
  assert(inside(offset, bytes));
  const std::size_t first = up(offset);
  const std::size_t last = down(offset + bytes);
  if (!inside(offset, bytes) || first >= last) return;
  // A fresh mapping over the old one drops pages and accounting in one step.
  ::mmap(data_ + first, last - first, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

bool OsMemory::populate(std::size_t offset, std::size_t bytes) noexcept {
  assert(inside(offset, bytes));
  const std::size_t first = up(offset);
  const std::size_t last = down(offset + bytes);
  if (!inside(offset, bytes) || first >= last) return false;
  // Kernel ABI since Linux 5.14; older headers lack the name.
  constexpr int kPopulateWrite = 23;
  return ::madvise(data_ + first, last - first, kPopulateWrite) == 0;
}

bool OsMemory::advise_huge(std::size_t offset, std::size_t bytes) noexcept {
  assert(inside(offset, bytes));
  const std::size_t first = up(offset);
  const std::size_t last = down(offset + bytes);
  if (!inside(offset, bytes) || first >= last) return false;
  return ::madvise(data_ + first, last - first, MADV_HUGEPAGE) == 0;
}

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif
#else
constexpr bool kThreadSanitizer = false;
#endif

long membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0U, 0); }

bool register_process_fence() noexcept {
  if (kThreadSanitizer) return false;
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
         membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

}  // namespace

bool has_process_fence() noexcept {
  static const bool available = register_process_fence();
  return available;
}

void process_fence() noexcept {
  // Once registered the command fails only when the kernel has no memory for its set of
  // processors, which passes; going on without the barrier could free what is being read.
  while (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0) {
    assert(errno == ENOMEM && has_process_fence());
  }
}

}  // namespace aeon::storage
