// The inside of SimOs: nodes, directories, pending work. All members of SimMachine need its mutex.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>

#include "tests/sim/sim_image.hpp"
#include "tests/sim/sim_os.hpp"

namespace aeon::test {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = 0;
inline constexpr NodeId kRootNode = 1;

// SplitMix64: cheap to seed, which every crash state does.
class SimRandom {
 public:
  explicit SimRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

// Sorted by name.
class SimEntries {
 public:
  using Entry = std::pair<std::string, NodeId>;
  [[nodiscard]] NodeId find(std::string_view name) const;
  void set(std::string_view name, NodeId node);
  void erase(std::string_view name);
  [[nodiscard]] const std::vector<Entry>& all() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

// One atomic change of a directory: `set` names a node, `erase` drops a name; a rename has both.
struct DirectoryOp {
  std::string set;
  NodeId node = kNoNode;
  std::string erase;
  void apply(SimEntries& entries) const;
};

struct PendingWrite {
  std::uint64_t offset = 0;
  std::shared_ptr<const std::vector<std::byte>> bytes;
};

// What map_shared hands out; on whole pages, so that it may hold any atomic.
struct alignas(SimImage::kPage) SharedPage {
  std::byte bytes[SimImage::kPage];
};
using SharedPages = std::vector<SharedPage>;

struct SimNode {
  bool directory = false;
  SimImage cached;   // what readers see
  SimImage durable;  // what the disk has
  std::vector<PendingWrite> writes;
  bool forgot = false;  // a failed sync left bytes in the cache that are not on disk
  std::shared_ptr<SharedPages> shared;
  std::uint32_t handles = 0;

  SimEntries entries;
  SimEntries durable_entries;
  std::vector<DirectoryOp> operations;
};

struct SimLock {
  const void* owner;
  storage::LockMode mode;
};

// Where a path leads: its directory, its last name, and the node there (kNoNode: none).
struct Place {
  NodeId directory = kNoNode;
  std::string name;
  NodeId node = kNoNode;
};

class SimMachine {
 public:
  explicit SimMachine(std::uint64_t seed) : seed(seed), random(seed) {
    nodes.resize(kRootNode + 1);
    nodes[kRootNode].directory = true;
  }

  // Counts the call and lets faults fire. Sets `in_flight` when the machine goes off during this
  // very call, whose effect is then pending though the caller sees the error.
  Status admit(SimCall call, const std::string& path, bool* in_flight = nullptr);
  [[nodiscard]] Status off_error(const std::string& path) const;
  [[nodiscard]] Result<Place> resolve(const std::string& path) const;
  NodeId add_node(bool directory);
  void change_directory(NodeId directory, DirectoryOp op);

  std::size_t read(NodeId node, std::uint64_t offset, std::span<std::byte> out) const;
  void write(NodeId node, std::uint64_t offset, std::span<const std::byte> bytes);
  Status write_call(NodeId node, const std::string& path, std::uint64_t offset,
                    std::span<const std::byte> bytes);
  Status sync_call(NodeId node, const std::string& path);
  [[nodiscard]] std::uint64_t used_bytes() const;

  // A copy of nodes and clock without handles, locks and faults.
  [[nodiscard]] std::shared_ptr<SimMachine> copy(std::uint64_t new_seed) const;
  void notify(SimCall call);

  mutable std::mutex mutex;
  std::condition_variable unlocked;
  std::uint64_t seed;
  SimRandom random;
  std::vector<SimNode> nodes;  // by NodeId
  std::map<std::pair<NodeId, std::uint64_t>, std::vector<SimLock>> locks;

  std::uint64_t io_count = 0;
  std::uint64_t call_counts[kSimCalls] = {};
  std::uint64_t crash_at = std::numeric_limits<std::uint64_t>::max();
  bool off = false;
  // The node whose last pending write was under way when the machine went off, and its cache
  // before.
  NodeId broken_write = kNoNode;
  SimImage before_broken_write;
  std::vector<SimFault> faults;
  std::uint64_t faults_fired = 0;
  std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();
  std::function<void(std::uint64_t)> observer;

  std::int64_t wall_ns = 1'700'000'000'000'000'000;
  std::int64_t monotonic_ns = 1'000'000'000;
  std::uint64_t boots = 1;
  std::uint32_t next_process = 1000;
};

[[nodiscard]] bool changes_disk(SimCall call) noexcept;

}  // namespace aeon::test
