#include "storage/os_memory.hpp"

#include <linux/membarrier.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "storage/checksum.hpp"
#include "storage/process_fence.hpp"

namespace aeon::storage {
namespace {

constexpr std::size_t down(std::size_t value) { return value & ~(kPageBytes - 1); }
constexpr std::size_t up(std::size_t value) { return down(value + kPageBytes - 1); }

}  // namespace

Result<OsMemory> OsMemory::reserve(std::size_t wanted, std::size_t at_least,
                                   MemoryPlacement& placement) {
  if (wanted == 0 || at_least > wanted ||
      wanted > std::numeric_limits<std::size_t>::max() - kPageBytes) {
    return fail(Errc::invalid_argument,
                fmt::format("cannot reserve {} bytes (at least {})", wanted, at_least));
  }
  const std::size_t least = std::max(up(at_least), kPageBytes);
  for (std::size_t size = up(wanted);; size = std::max(up(size / 2), least)) {
    void* at = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED) return OsMemory(static_cast<std::byte*>(at), size, placement);
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
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      placement_(other.placement_) {}

OsMemory& OsMemory::operator=(OsMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(placement_, other.placement_);
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
  placement_->place(data_ + first, last - first);
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

std::string join(const std::vector<std::uint32_t>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ", "));
}

std::string refusal(std::string_view what, int code) {
  if (code == 0) return {};
  return fmt::format("; {}: {}", what, std::generic_category().message(code));
}

using Bits = std::unique_ptr<bitmask, decltype(&numa_free_cpumask)>;

std::vector<std::uint32_t> processors_of(int node) {
  const Bits bits(numa_allocate_cpumask(), &numa_free_cpumask);
  std::vector<std::uint32_t> processors;
  if (numa_node_to_cpus(node, bits.get()) != 0) return processors;
  for (unsigned int cpu = 0; cpu < bits->size; ++cpu) {
    const bool allowed = numa_bitmask_isbitset(numa_all_cpus_ptr, cpu) != 0;
    if (allowed && numa_bitmask_isbitset(bits.get(), cpu) != 0) processors.push_back(cpu);
  }
  return processors;
}

}  // namespace

Topology read_topology() {
  Topology topology;
  if (numa_available() < 0) return topology;
  for (int number = 0; number <= numa_max_node(); ++number) {
    const auto bit = static_cast<unsigned int>(number);
    Topology::Node node{.number = bit};
    node.online = numa_bitmask_isbitset(numa_nodes_ptr, bit) != 0;
    if (node.online && numa_bitmask_isbitset(numa_all_nodes_ptr, bit) != 0) {
      node.memory_bytes =
          static_cast<std::uint64_t>(std::max(numa_node_size64(number, nullptr), 0LL));
    }
    if (node.online) node.processors = processors_of(number);
    topology.nodes.push_back(std::move(node));
  }
  return topology;
}

MemoryPlacement& machine_placement() {
  // Never destroyed: threads may outlive main's statics.
  static MemoryPlacement* placement = new MemoryPlacement(plan_placement(read_topology()));
  return *placement;
}

void MemoryPlacement::place(std::byte* data, std::size_t bytes) noexcept {
  if (plan_.empty()) return;
  constexpr std::size_t kBits = 1024;  // as many nodes as Linux can have
  constexpr std::size_t kWord = 8 * sizeof(unsigned long);
  unsigned long mask[kBits / kWord] = {};
  for (const std::uint32_t node : plan_.memory_nodes) {
    if (node < kBits) mask[node / kWord] |= 1UL << (node % kWord);
  }
  if (mbind(data, bytes, MPOL_INTERLEAVE, mask, kBits, 0) != 0) {
    memory_refused_.store(errno, std::memory_order_relaxed);
  }
}

void MemoryPlacement::place_worker(std::size_t worker) noexcept {
  if (plan_.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const std::uint32_t cpu : plan_.workers[worker % plan_.workers.size()]) {
    if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  }
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    worker_refused_.store(errno, std::memory_order_relaxed);
  }
}

std::string MemoryPlacement::note() const {
  if (plan_.empty()) return "left to the system";
  const int memory = memory_refused_.load(std::memory_order_relaxed);
  const int worker = worker_refused_.load(std::memory_order_relaxed);
  return fmt::format("planned over memory nodes {}{}{}", join(plan_.memory_nodes),
                     refusal("memory is left where it falls, mbind", memory),
                     refusal("threads run anywhere, sched_setaffinity", worker));
}

Result<std::vector<int>> nodes_of_pages(std::span<const std::byte> range) {
  std::vector<void*> pages;
  const auto start = reinterpret_cast<std::uintptr_t>(range.data());
  for (std::size_t at = down(start); at < start + range.size(); at += kPageBytes) {
    pages.push_back(reinterpret_cast<void*>(at));
  }
  std::vector<int> nodes(pages.size(), -ENOENT);
  if (move_pages(0, pages.size(), pages.data(), nullptr, nodes.data(), 0) != 0) {
    if (errno == ENOSYS) return fail(Errc::unsupported, "move_pages: not in this kernel");
    return std::unexpected(os_error(errno, "move_pages"));
  }
  return nodes;
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
