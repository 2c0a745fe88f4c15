// What survives a power cut.
#include <algorithm>

#include "tests/sim/sim_machine.hpp"

namespace aeon::test {
namespace {

constexpr std::size_t kSector = 512;

using Random = SimRandom;

// Each state draws its own chance of survival, so that nearly nothing, nearly everything and the
// mixtures between are all common.
class Chance {
 public:
  explicit Chance(Random& random) : random_(random) {
    constexpr unsigned kPercent[] = {0, 0, 10, 50, 50, 90, 100, 100};
    percent_ = kPercent[random() % 8];
  }
  bool keep() { return random_() % 100 < percent_; }

 private:
  Random& random_;
  unsigned percent_;
};

// Keeps some of the sectors that the write covers: a prefix, or any of them.
void write_torn(SimImage& image, const PendingWrite& write, Random& random, bool shred) {
  const std::uint64_t end = write.offset + write.bytes->size();
  const bool prefix = random() % 2 == 0;
  const std::uint64_t break_at = write.offset + random() % (write.bytes->size() + 1);
  for (std::uint64_t at = write.offset; at < end;) {
    const std::uint64_t next = std::min(end, (at / kSector + 1) * kSector);
    auto part = std::span(*write.bytes).subspan(at - write.offset, next - at);
    const bool breaks_here = at <= break_at && break_at < next;
    if (shred && breaks_here) {
      std::vector<std::byte> garbage(part.size());
      for (std::byte& byte : garbage) byte = static_cast<std::byte>(random());
      image.write(at, garbage);
    } else if (prefix ? next <= break_at : random() % 2 == 0) {
      image.write(at, part);
    }
    at = next;
  }
}

// The length is metadata and may be older or newer than the data.
void settle_length(SimImage& image, const SimNode& before, Random& random) {
  switch (random() % 4) {
    case 0: image.resize(before.durable.size()); break;
    case 1: image.resize(std::max(image.size(), before.cached.size())); break;
    default: break;  // the last byte that survived
  }
}

SimImage settle_file(const SimNode& node, Random& random, const PowerCut& policy) {
  SimImage image = node.durable;
  if (node.writes.empty() && !node.forgot) return image;
  Chance chance(random);
  for (const PendingWrite& write : node.writes) {
    if (chance.keep()) {
      image.write(write.offset, *write.bytes);
    } else if (policy.tear && chance.keep()) {
      write_torn(image, write, random, policy.shred);
    }
  }
  settle_length(image, node, random);
  return image;
}

// Stores to a shared mapping reach the disk whenever the kernel likes.
void settle_shared(SimImage& image, const SharedPages& shared, Random& random) {
  const auto bytes = std::as_bytes(std::span(shared));
  const std::uint64_t end = std::min<std::uint64_t>(bytes.size(), image.size());
  Chance chance(random);
  for (std::uint64_t at = 0; at < end; at += kSector) {
    if (chance.keep()) {
      image.write(at, bytes.subspan(at, std::min<std::uint64_t>(kSector, end - at)));
    }
  }
}

SimEntries settle_directory(const SimNode& node, Random& random, const PowerCut& policy) {
  SimEntries entries = node.durable_entries;
  if (node.operations.empty()) return entries;
  Chance chance(random);
  std::size_t kept = random() % (node.operations.size() + 1);
  if (random() % 4 == 0) kept = random() % 2 == 0 ? 0 : node.operations.size();
  for (std::size_t i = 0; i < node.operations.size(); ++i) {
    if (policy.reorder_directory ? chance.keep() : i < kept) node.operations[i].apply(entries);
  }
  return entries;
}

// After the cut there is nothing pending and nothing cached that the disk does not have.
void restart(SimNode& node, SimImage image, SimEntries entries) {
  node.durable = std::move(image);
  node.cached = node.durable;
  node.writes.clear();
  node.forgot = false;
  node.shared.reset();
  node.durable_entries = std::move(entries);
  node.entries = node.durable_entries;
  node.operations.clear();
}

}  // namespace

std::size_t SimOs::pending_items() const {
  const std::lock_guard guard(machine_->mutex);
  std::size_t items = 0;
  for (const SimNode& node : machine_->nodes) items += node.writes.size() + node.operations.size();
  return items;
}

std::unique_ptr<SimOs> SimOs::power_cut(std::uint64_t seed, PowerCut policy) const {
  const std::lock_guard guard(machine_->mutex);
  auto after = machine_->copy(seed ^ 0x9e3779b97f4a7c15);
  ++after->boots;
  Random random(seed);
  for (SimNode& node : after->nodes) {
    SimImage image = settle_file(node, random, policy);
    if (node.shared) settle_shared(image, *node.shared, random);
    restart(node, std::move(image), settle_directory(node, random, policy));
  }
  const std::uint32_t process = after->next_process++;
  return std::unique_ptr<SimOs>(new SimOs(std::move(after), process));
}

std::unique_ptr<SimOs> SimOs::power_cut_keeping(std::uint64_t mask) const {
  const std::lock_guard guard(machine_->mutex);
  auto after = machine_->copy(mask ^ machine_->seed);
  ++after->boots;
  const auto next_bit = [&mask] {
    const bool bit = (mask & 1) != 0;
    mask >>= 1;
    return bit;
  };
  for (SimNode& node : after->nodes) {
    SimImage image = node.durable;
    SimEntries entries = node.durable_entries;
    for (const PendingWrite& write : node.writes) {
      if (next_bit()) image.write(write.offset, *write.bytes);
    }
    for (const DirectoryOp& operation : node.operations) {
      if (next_bit()) operation.apply(entries);
    }
    restart(node, std::move(image), std::move(entries));
  }
  const std::uint32_t process = after->next_process++;
  return std::unique_ptr<SimOs>(new SimOs(std::move(after), process));
}

std::unique_ptr<SimOs> SimOs::process_death(std::uint64_t seed) const {
  const std::lock_guard guard(machine_->mutex);
  auto after = machine_->copy(seed ^ 0x2545f4914f6cdd1d);
  if (machine_->broken_write != kNoNode) {
    SimNode& node = after->nodes[machine_->broken_write];
    const PendingWrite whole = node.writes.back();
    node.writes.pop_back();
    Random random(seed);
    const std::size_t pages = whole.bytes->size() / SimImage::kPage + 1;
    const std::size_t kept =
        std::min<std::size_t>(whole.bytes->size(), random() % (pages + 1) * SimImage::kPage);
    node.cached = machine_->before_broken_write;
    const std::vector<std::byte> part(whole.bytes->begin(),
                                      whole.bytes->begin() + static_cast<std::ptrdiff_t>(kept));
    if (kept > 0) {
      node.cached.write(whole.offset, part);
      node.writes.push_back({whole.offset, std::make_shared<const std::vector<std::byte>>(part)});
    }
  }
  const std::uint32_t process = after->next_process++;
  return std::unique_ptr<SimOs>(new SimOs(std::move(after), process));
}

}  // namespace aeon::test
