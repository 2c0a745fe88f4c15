#include "tests/sim/sim_os.hpp"

#include <algorithm>
#include <thread>

#include "tests/sim/sim_file.hpp"
#include "tests/sim/sim_machine.hpp"

namespace aeon::test {

using storage::OpenMode;

SimOs::SimOs(std::uint64_t seed) : SimOs(std::make_shared<SimMachine>(seed), 999) {}
SimOs::SimOs(std::shared_ptr<SimMachine> machine, std::uint32_t process_id)
    : machine_(std::move(machine)), process_id_(process_id) {}
SimOs::~SimOs() = default;

std::unique_ptr<SimOs> SimOs::another_process() {
  const std::lock_guard guard(machine_->mutex);
  return std::unique_ptr<SimOs>(new SimOs(machine_, machine_->next_process++));
}

std::uint64_t SimOs::io_count() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->io_count;
}

std::uint64_t SimOs::calls(SimCall call) const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->call_counts[static_cast<std::size_t>(call)];
}

void SimOs::observe(std::function<void(std::uint64_t)> observer) {
  const std::lock_guard guard(machine_->mutex);
  machine_->observer = std::move(observer);
}

void SimOs::crash_at(std::uint64_t n) {
  const std::lock_guard guard(machine_->mutex);
  machine_->crash_at = n;
}

bool SimOs::is_off() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->off;
}

void SimOs::inject(SimFault fault) {
  const std::lock_guard guard(machine_->mutex);
  machine_->faults.push_back(fault);
}

void SimOs::clear_faults() {
  const std::lock_guard guard(machine_->mutex);
  machine_->faults.clear();
}

std::uint64_t SimOs::faults_fired() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->faults_fired;
}

void SimOs::set_capacity(std::uint64_t bytes) {
  const std::lock_guard guard(machine_->mutex);
  machine_->capacity = bytes;
}

std::uint64_t SimOs::used_bytes() const {
  const std::lock_guard guard(machine_->mutex);
  return machine_->used_bytes();
}

void SimOs::set_wall_time(std::int64_t ns) {
  const std::lock_guard guard(machine_->mutex);
  machine_->wall_ns = ns;
}

void SimOs::advance(std::int64_t ns) {
  const std::lock_guard guard(machine_->mutex);
  machine_->wall_ns += ns;
  machine_->monotonic_ns += ns;
}

std::string SimOs::contents(const std::string& path) const {
  const std::lock_guard guard(machine_->mutex);
  const auto place = machine_->resolve(path);
  if (!place || place->node == kNoNode) return {};
  std::string bytes(machine_->nodes[place->node].cached.size(), '\0');
  machine_->read(place->node, 0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

void SimOs::corrupt(const std::string& path, std::uint64_t offset, std::byte mask) {
  const std::lock_guard guard(machine_->mutex);
  const auto place = machine_->resolve(path);
  if (!place || place->node == kNoNode) return;
  SimNode& node = machine_->nodes[place->node];
  for (SimImage* image : {&node.cached, &node.durable}) {
    std::byte byte{};
    if (image->read(offset, {&byte, 1}) == 0) continue;
    byte ^= mask;
    image->write(offset, {&byte, 1});
  }
}

void SimOs::resize(const std::string& path, std::uint64_t bytes) {
  const std::lock_guard guard(machine_->mutex);
  const auto place = machine_->resolve(path);
  if (!place || place->node == kNoNode) return;
  SimNode& node = machine_->nodes[place->node];
  node.cached.resize(bytes);
  node.durable.resize(bytes);
}

Result<std::unique_ptr<storage::File>> SimOs::open_file(const std::string& path, OpenMode mode) {
  const bool may_create = mode == OpenMode::create || mode == OpenMode::open_or_create;
  if (may_create && !exists(path)) machine_->notify(SimCall::create);
  const std::lock_guard guard(machine_->mutex);
  AEON_ASSIGN(Place place, machine_->resolve(path));
  const bool present = place.node != kNoNode;
  if (!present && !may_create) {
    AEON_TRY(machine_->admit(SimCall::open, path));
    return std::unexpected(os_error(ENOENT, "open " + path));
  }
  if (present && mode == OpenMode::create) {
    AEON_TRY(machine_->admit(SimCall::open, path));
    return std::unexpected(os_error(EEXIST, "open " + path));
  }
  bool in_flight = false;
  AEON_TRY(machine_->admit(present ? SimCall::open : SimCall::create, path, &in_flight));
  if (!present) {
    place.node = machine_->add_node(false);
    machine_->change_directory(place.directory,
                               {.set = place.name, .node = place.node, .erase = ""});
  }
  if (in_flight) return std::unexpected(machine_->off_error(path).error());
  const bool writable = mode != OpenMode::read && mode != OpenMode::read_device;
  return std::make_unique<SimFile>(machine_, place.node, path, writable);
}

Result<std::unique_ptr<storage::Mapping>> SimOs::map_read(const std::string& path) {
  const std::lock_guard guard(machine_->mutex);
  AEON_TRY(machine_->admit(SimCall::map, path));
  AEON_ASSIGN(const Place place, machine_->resolve(path));
  if (place.node == kNoNode) return std::unexpected(os_error(ENOENT, "open " + path));
  if (machine_->nodes[place.node].cached.size() == 0) {
    return fail(Errc::damaged, "mmap " + path + ": the file is empty");
  }
  return sim_map_read(*machine_, place.node);
}

Result<std::unique_ptr<storage::Mapping>> SimOs::map_shared(const std::string& path,
                                                            std::size_t size) {
  const std::lock_guard guard(machine_->mutex);
  AEON_TRY(machine_->admit(SimCall::map, path));
  AEON_ASSIGN(const Place place, machine_->resolve(path));
  if (place.node == kNoNode) return std::unexpected(os_error(ENOENT, "open " + path));
  if (size == 0 || machine_->nodes[place.node].cached.size() < size) {
    return fail(Errc::damaged, "mmap " + path + ": the file is too short");
  }
  return sim_map_shared(*machine_, place.node, size);
}

Status SimOs::make_directory(const std::string& path) {
  machine_->notify(SimCall::make_directory);
  const std::lock_guard guard(machine_->mutex);
  bool in_flight = false;
  AEON_TRY(machine_->admit(SimCall::make_directory, path, &in_flight));
  AEON_ASSIGN(const Place place, machine_->resolve(path));
  if (place.node != kNoNode) return std::unexpected(os_error(EEXIST, "mkdir " + path));
  const NodeId node = machine_->add_node(true);
  machine_->change_directory(place.directory, {.set = place.name, .node = node, .erase = ""});
  return in_flight ? machine_->off_error(path) : Status{};
}

Result<std::vector<std::string>> SimOs::list_directory(const std::string& path) {
  const std::lock_guard guard(machine_->mutex);
  AEON_TRY(machine_->admit(SimCall::list, path));
  AEON_ASSIGN(const Place place, machine_->resolve(path));
  if (place.node == kNoNode) return std::unexpected(os_error(ENOENT, "opendir " + path));
  const SimNode& node = machine_->nodes[place.node];
  if (!node.directory) return std::unexpected(os_error(ENOTDIR, "opendir " + path));
  std::vector<std::string> names;
  for (const auto& [name, child] : node.entries.all()) names.push_back(name);
  return names;
}

bool SimOs::exists(const std::string& path) {
  const std::lock_guard guard(machine_->mutex);
  if (machine_->off) return false;
  const auto place = machine_->resolve(path);
  return place && place->node != kNoNode;
}

Status SimOs::rename(const std::string& from, const std::string& to) {
  machine_->notify(SimCall::rename);
  const std::lock_guard guard(machine_->mutex);
  bool in_flight = false;
  AEON_TRY(machine_->admit(SimCall::rename, from, &in_flight));
  AEON_ASSIGN(const Place source, machine_->resolve(from));
  AEON_ASSIGN(const Place target, machine_->resolve(to));
  if (source.node == kNoNode) return std::unexpected(os_error(ENOENT, "rename " + from));
  if (source.node != target.node) {
    const bool same = source.directory == target.directory;
    machine_->change_directory(
        target.directory,
        {.set = target.name, .node = source.node, .erase = same ? source.name : ""});
    if (!same) {
      machine_->change_directory(source.directory,
                                 {.set = "", .node = kNoNode, .erase = source.name});
    }
  }
  return in_flight ? machine_->off_error(from) : Status{};
}

Status SimOs::link(const std::string& from, const std::string& to) {
  machine_->notify(SimCall::link);
  const std::lock_guard guard(machine_->mutex);
  bool in_flight = false;
  AEON_TRY(machine_->admit(SimCall::link, from, &in_flight));
  AEON_ASSIGN(const Place source, machine_->resolve(from));
  AEON_ASSIGN(const Place target, machine_->resolve(to));
  if (source.node == kNoNode) return std::unexpected(os_error(ENOENT, "link " + from));
  if (target.node != kNoNode) return std::unexpected(os_error(EEXIST, "link " + to));
  machine_->change_directory(target.directory,
                             {.set = target.name, .node = source.node, .erase = ""});
  return in_flight ? machine_->off_error(from) : Status{};
}

Status SimOs::unlink(const std::string& path) {
  machine_->notify(SimCall::unlink);
  const std::lock_guard guard(machine_->mutex);
  bool in_flight = false;
  AEON_TRY(machine_->admit(SimCall::unlink, path, &in_flight));
  AEON_ASSIGN(const Place place, machine_->resolve(path));
  if (place.node == kNoNode) return std::unexpected(os_error(ENOENT, "unlink " + path));
  if (machine_->nodes[place.node].directory) {
    return std::unexpected(os_error(EISDIR, "unlink " + path));
  }
  machine_->change_directory(place.directory, {.set = "", .node = kNoNode, .erase = place.name});
  return in_flight ? machine_->off_error(path) : Status{};
}

Status SimOs::sync_directory(const std::string& path) {
  machine_->notify(SimCall::sync_directory);
  const std::lock_guard guard(machine_->mutex);
  AEON_TRY(machine_->admit(SimCall::sync_directory, path));
  AEON_ASSIGN(const Place place, machine_->resolve(path));
  if (place.node == kNoNode) return std::unexpected(os_error(ENOENT, "open " + path));
  SimNode& node = machine_->nodes[place.node];
  if (!node.directory) return std::unexpected(os_error(ENOTDIR, "open " + path));
  node.durable_entries = node.entries;
  node.operations.clear();
  return {};
}

// Every look at a clock moves it a little.
std::int64_t SimOs::wall_time_ns() {
  const std::lock_guard guard(machine_->mutex);
  return machine_->wall_ns += 1000;
}

std::int64_t SimOs::monotonic_ns() {
  const std::lock_guard guard(machine_->mutex);
  return machine_->monotonic_ns += 1000;
}

std::uint64_t SimOs::random_u64() {
  const std::lock_guard guard(machine_->mutex);
  return machine_->random();
}

std::uint64_t SimOs::boot_id() {
  const std::lock_guard guard(machine_->mutex);
  return machine_->boots;
}

std::uint32_t SimOs::process_id() { return process_id_; }

void SimOs::wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                    std::int64_t timeout_ns) {
  std::this_thread::yield();
  if (word.load(std::memory_order_relaxed) == expected) {
    advance(std::max<std::int64_t>(timeout_ns, 0));
  }
}

void SimOs::wake_all(std::atomic<std::uint32_t>&) {}

}  // namespace aeon::test
