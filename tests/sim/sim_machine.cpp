#include "tests/sim/sim_machine.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace aeon::test {
namespace {

constexpr std::string_view kCallNames[kSimCalls] = {"open",    "create", "read", "write",  "sync",
                                                    "map",     "rename", "link", "unlink", "mkdir",
                                                    "syncdir", "list",   "lock"};

constexpr auto by_name = [](const SimEntries::Entry& entry, std::string_view name) {
  return entry.first < name;
};

}  // namespace

NodeId SimEntries::find(std::string_view name) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name, by_name);
  return at != entries_.end() && at->first == name ? at->second : kNoNode;
}

void SimEntries::set(std::string_view name, NodeId node) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name, by_name);
  if (at != entries_.end() && at->first == name) {
    at->second = node;
  } else {
    entries_.emplace(at, name, node);
  }
}

void SimEntries::erase(std::string_view name) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name, by_name);
  if (at != entries_.end() && at->first == name) entries_.erase(at);
}

// A name that a lost operation was to bring is not there to be dropped; that is no error.
void DirectoryOp::apply(SimEntries& entries) const {
  if (!erase.empty() && !set.empty() && entries.find(erase) != node) return;
  if (!erase.empty()) entries.erase(erase);
  if (!set.empty()) entries.set(set, node);
}

bool changes_disk(SimCall call) noexcept {
  switch (call) {
    case SimCall::create:
    case SimCall::write:
    case SimCall::sync:
    case SimCall::rename:
    case SimCall::link:
    case SimCall::unlink:
    case SimCall::make_directory:
    case SimCall::sync_directory: return true;
    default: return false;
  }
}

Status SimMachine::off_error(const std::string& path) const {
  return fail(Errc::io_error, path + ": the machine is off", EIO);
}

Status SimMachine::admit(SimCall call, const std::string& path, bool* in_flight) {
  if (off) return off_error(path);
  const auto kind = static_cast<std::size_t>(call);
  ++call_counts[kind];
  if (changes_disk(call) && io_count++ >= crash_at) {
    off = true;
    unlocked.notify_all();
    if (in_flight == nullptr) return off_error(path);
    *in_flight = true;
    return {};
  }
  for (auto fault = faults.begin(); fault != faults.end(); ++fault) {
    if (fault->call != call) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    ++faults_fired;
    const int code = fault->os_errno;
    if (!fault->for_ever) faults.erase(fault);
    return std::unexpected(os_error(code, fmt::format("{} {}", kCallNames[kind], path)));
  }
  return {};
}

Result<Place> SimMachine::resolve(const std::string& path) const {
  Place place{.directory = kNoNode, .name = "", .node = kRootNode};
  std::string_view rest = path;
  while (true) {
    while (rest.starts_with('/')) rest.remove_prefix(1);
    if (rest.empty()) return place;
    if (place.node == kNoNode) return std::unexpected(os_error(ENOENT, path));
    if (!nodes[place.node].directory) return std::unexpected(os_error(ENOTDIR, path));
    const std::string_view name = rest.substr(0, rest.find('/'));
    place.directory = place.node;
    place.name = name;
    place.node = nodes[place.directory].entries.find(name);
    rest.remove_prefix(name.size());
  }
}

NodeId SimMachine::add_node(bool directory) {
  nodes.emplace_back().directory = directory;
  return static_cast<NodeId>(nodes.size() - 1);
}

void SimMachine::change_directory(NodeId directory, DirectoryOp op) {
  op.apply(nodes[directory].entries);
  nodes[directory].operations.push_back(std::move(op));
}

std::size_t SimMachine::read(NodeId id, std::uint64_t offset, std::span<std::byte> out) const {
  const SimNode& node = nodes[id];
  const std::size_t count = node.cached.read(offset, out);
  if (!node.shared) return count;
  const auto mapped = std::as_bytes(std::span(*node.shared));
  for (std::size_t i = 0; i < count && offset + i < mapped.size(); ++i) {
    out[i] = mapped[offset + i];
  }
  return count;
}

void SimMachine::write(NodeId id, std::uint64_t offset, std::span<const std::byte> bytes) {
  SimNode& node = nodes[id];
  node.cached.write(offset, bytes);
  node.writes.push_back(
      {offset, std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end())});
  if (!node.shared) return;
  const auto mapped = std::as_writable_bytes(std::span(*node.shared));
  for (std::size_t i = 0; i < bytes.size() && offset + i < mapped.size(); ++i) {
    mapped[offset + i] = bytes[i];
  }
}

Status SimMachine::write_call(NodeId id, const std::string& path, std::uint64_t offset,
                              std::span<const std::byte> bytes) {
  bool in_flight = false;
  if (const Status status = admit(SimCall::write, path, &in_flight); !status) {
    const std::size_t part = static_cast<std::size_t>(random() % (bytes.size() + 1));
    if (!off && part > 0) write(id, offset, bytes.first(part));
    return status;
  }
  if (in_flight) before_broken_write = nodes[id].cached;
  std::size_t fits = bytes.size();
  if (const std::uint64_t size = nodes[id].cached.size(); offset + bytes.size() > size) {
    const std::uint64_t used = used_bytes();
    const std::uint64_t room = used < capacity ? capacity - used : 0;
    const std::uint64_t limit = room < UINT64_MAX - size ? size + room : UINT64_MAX;
    const std::uint64_t end = std::min<std::uint64_t>(offset + bytes.size(), limit);
    fits = end > offset ? static_cast<std::size_t>(end - offset) : 0;
  }
  if (fits > 0) write(id, offset, bytes.first(fits));
  if (in_flight) {
    if (fits > 0) broken_write = id;
    return off_error(path);
  }
  if (fits < bytes.size()) return std::unexpected(os_error(ENOSPC, "write " + path));
  return {};
}

Status SimMachine::sync_call(NodeId id, const std::string& path) {
  SimNode& node = nodes[id];
  if (const Status status = admit(SimCall::sync, path); !status) {
    if (!off) {
      node.forgot = node.forgot || !node.writes.empty();
      node.writes.clear();
    }
    return status;
  }
  if (node.forgot) {
    for (const PendingWrite& write : node.writes) node.durable.write(write.offset, *write.bytes);
  } else {
    node.durable = node.cached;
  }
  node.writes.clear();
  return {};
}

// A file counts while a name or a handle holds it.
std::uint64_t SimMachine::used_bytes() const {
  std::vector<bool> held(nodes.size());
  for (NodeId id = kRootNode; id < nodes.size(); ++id) {
    if (nodes[id].handles > 0) held[id] = true;
    for (const auto& [name, child] : nodes[id].entries.all()) held[child] = true;
  }
  std::uint64_t used = 0;
  for (NodeId id = kRootNode; id < nodes.size(); ++id) {
    if (held[id]) used += nodes[id].cached.size();
  }
  return used;
}

std::shared_ptr<SimMachine> SimMachine::copy(std::uint64_t new_seed) const {
  auto other = std::make_shared<SimMachine>(new_seed);
  other->nodes = nodes;
  for (SimNode& node : other->nodes) {
    node.handles = 0;
    if (node.shared) node.shared = std::make_shared<SharedPages>(*node.shared);
  }
  other->wall_ns = wall_ns;
  other->monotonic_ns = monotonic_ns;
  other->boots = boots;
  other->next_process = next_process + 100;
  other->capacity = capacity;
  return other;
}

void SimMachine::notify(SimCall call) {
  std::function<void(std::uint64_t)> call_back;
  std::uint64_t number = 0;
  {
    const std::lock_guard guard(mutex);
    if (!observer || off || !changes_disk(call)) return;
    call_back = observer;
    number = io_count;
  }
  call_back(number);
}

}  // namespace aeon::test
