#include "tests/sim/sim_file.hpp"

#include <algorithm>
#include <chrono>

namespace aeon::test {

using storage::LockMode;

namespace {

class SimMapping final : public storage::Mapping {
 public:
  SimMapping(std::shared_ptr<SharedPages> pages, std::size_t size, bool writable)
      : pages_(std::move(pages)), size_(size), writable_(writable) {}
  std::span<const std::byte> bytes() const noexcept override { return whole(); }
  std::span<std::byte> writable() noexcept override {
    return writable_ ? whole() : std::span<std::byte>{};
  }
  void populate() noexcept override {}

 private:
  [[nodiscard]] std::span<std::byte> whole() const noexcept {
    return std::as_writable_bytes(std::span(*pages_)).first(size_);
  }
  std::shared_ptr<SharedPages> pages_;
  std::size_t size_;
  bool writable_;
};

std::shared_ptr<SharedPages> copy_pages(const SimMachine& machine, NodeId node, std::size_t size) {
  auto pages = std::make_shared<SharedPages>((size + SimImage::kPage - 1) / SimImage::kPage);
  machine.read(node, 0, std::as_writable_bytes(std::span(*pages)).first(size));
  return pages;
}

}  // namespace

std::unique_ptr<storage::Mapping> sim_map_read(SimMachine& machine, NodeId node) {
  const auto size = static_cast<std::size_t>(machine.nodes[node].cached.size());
  return std::make_unique<SimMapping>(copy_pages(machine, node, size), size, false);
}

std::unique_ptr<storage::Mapping> sim_map_shared(SimMachine& machine, NodeId node,
                                                 std::size_t size) {
  auto& shared = machine.nodes[node].shared;
  if (!shared) {
    shared = copy_pages(machine, node, static_cast<std::size_t>(machine.nodes[node].cached.size()));
  }
  return std::make_unique<SimMapping>(shared, size, true);
}

SimFile::SimFile(std::shared_ptr<SimMachine> machine, NodeId node, std::string path, bool writable)
    : machine_(std::move(machine)), node_(node), path_(std::move(path)), writable_(writable) {
  ++machine_->nodes[node_].handles;
}

SimFile::~SimFile() {
  const std::lock_guard guard(machine_->mutex);
  --machine_->nodes[node_].handles;
  for (auto& [place, holders] : machine_->locks) {
    std::erase_if(holders, [this](const SimLock& lock) { return lock.owner == this; });
  }
  machine_->unlocked.notify_all();
}

Result<std::size_t> SimFile::read_at(std::span<std::byte> buffer, std::uint64_t offset) const {
  const std::lock_guard guard(machine_->mutex);
  AEON_TRY(machine_->admit(SimCall::read, path_));
  return machine_->read(node_, offset, buffer);
}

Status SimFile::write_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  if (!writable_) return std::unexpected(os_error(EBADF, "write " + path_));
  machine_->notify(SimCall::write);
  const std::lock_guard guard(machine_->mutex);
  return machine_->write_call(node_, path_, offset, bytes);
}

Status SimFile::sync() {
  machine_->notify(SimCall::sync);
  const std::lock_guard guard(machine_->mutex);
  return machine_->sync_call(node_, path_);
}

Result<std::uint64_t> SimFile::size() const {
  const std::lock_guard guard(machine_->mutex);
  if (machine_->off) return std::unexpected(machine_->off_error(path_).error());
  return machine_->nodes[node_].cached.size();
}

void SimFile::drop_cache() {
  const std::lock_guard guard(machine_->mutex);
  SimNode& node = machine_->nodes[node_];
  if (!node.forgot || node.shared) return;
  const std::uint64_t size = node.cached.size();
  node.cached = node.durable;
  for (const PendingWrite& write : node.writes) node.cached.write(write.offset, *write.bytes);
  node.cached.resize(size);
}

bool SimFile::take(std::uint64_t offset, LockMode mode) {
  auto& holders = machine_->locks[{node_, offset}];
  const bool conflict = std::ranges::any_of(holders, [&](const SimLock& lock) {
    return lock.owner != this && (mode == LockMode::exclusive || lock.mode == LockMode::exclusive);
  });
  if (conflict) return false;
  std::erase_if(holders, [this](const SimLock& lock) { return lock.owner == this; });
  holders.push_back({this, mode});
  machine_->unlocked.notify_all();  // a conversion to shared lets others in
  return true;
}

Result<bool> SimFile::try_lock(std::uint64_t offset, LockMode mode) {
  const std::lock_guard guard(machine_->mutex);
  AEON_TRY(machine_->admit(SimCall::lock, path_));
  return take(offset, mode);
}

Status SimFile::lock(std::uint64_t offset, LockMode mode) {
  std::unique_lock guard(machine_->mutex);
  AEON_TRY(machine_->admit(SimCall::lock, path_));
  const bool ended = machine_->unlocked.wait_for(
      guard, std::chrono::seconds(10), [&] { return machine_->off || take(offset, mode); });
  if (machine_->off) return machine_->off_error(path_);
  if (!ended) return std::unexpected(os_error(EDEADLK, "lock " + path_));
  return {};
}

void SimFile::unlock(std::uint64_t offset) {
  const std::lock_guard guard(machine_->mutex);
  std::erase_if(machine_->locks[{node_, offset}],
                [this](const SimLock& lock) { return lock.owner == this; });
  machine_->unlocked.notify_all();
}

}  // namespace aeon::test
