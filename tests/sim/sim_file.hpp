// Open files and mappings of a simulated machine.
#pragma once

#include "tests/sim/sim_machine.hpp"

namespace aeon::test {

class SimFile final : public storage::File {
 public:
  // The caller holds the machine's mutex.
  SimFile(std::shared_ptr<SimMachine> machine, NodeId node, std::string path, bool writable);
  ~SimFile() override;

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::uint64_t offset) const override;
  Status write_at(std::span<const std::byte> bytes, std::uint64_t offset) override;
  // What was written may reach the disk at any time as it is.
  void begin_sync(std::uint64_t, std::uint64_t) noexcept override {}
  Status sync() override;
  Result<std::uint64_t> size() const override;
  // Clean pages are read from the disk again: what a failed sync forgot is gone then.
  void drop_cache() override;
  Result<bool> try_lock(std::uint64_t offset, storage::LockMode mode) override;
  // Gives up with io_error after ten seconds: in a simulation that is a deadlock.
  Status lock(std::uint64_t offset, storage::LockMode mode) override;
  void unlock(std::uint64_t offset) override;

 private:
  [[nodiscard]] bool take(std::uint64_t offset, storage::LockMode mode);
  void release(std::uint64_t offset);

  std::shared_ptr<SimMachine> machine_;
  NodeId node_;
  std::string path_;
  bool writable_;
};

// Both answer mappings that live on when the machine goes off. The caller holds the mutex.
[[nodiscard]] std::unique_ptr<storage::Mapping> sim_map_read(SimMachine& machine, NodeId node);
[[nodiscard]] std::unique_ptr<storage::Mapping> sim_map_shared(SimMachine& machine, NodeId node,
                                                               std::size_t size);

}  // namespace aeon::test
