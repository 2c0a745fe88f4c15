#include "tests/crash/history.hpp"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace aeon::test {

namespace {

// More are not kept alive at a time, so that a whole comparison stays cheap.
constexpr std::size_t kMostAlive = 150;

std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e37'79b9'7f4a'7c15;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

}  // namespace

std::vector<SpaceSpec> history_spaces() {
  SpaceSpec spec;
  spec.name = kHistorySpace;
  spec.dimension = kHistoryDimension;
  return {spec};
}

std::uint64_t History::random(std::uint64_t number, std::uint64_t use) const noexcept {
  return mix(mix(number * 64 + use) + static_cast<std::uint64_t>(writer_));
}

// An alive memory, or none when there is none.
std::optional<std::uint64_t> History::pick(std::uint64_t random) const {
  if (alive_.empty()) return std::nullopt;
  const std::uint64_t oldest = alive_.begin()->first;
  const auto at = alive_.lower_bound(oldest + random % (done_ - oldest + 1));
  return at == alive_.end() ? oldest : at->first;
}

Operation History::next() const {
  Operation operation;
  operation.number = done_ + 1;
  const auto roll = [&](std::uint64_t use) { return random(operation.number, use); };
  if (roll(0) % 3 == 0) operation.link = pick(roll(1));
  if (roll(2) % 4 == 0) operation.revise = pick(roll(3));
  if (roll(4) % 8 == 0 || alive_.size() >= kMostAlive) operation.forget = pick(roll(5));
  if (operation.forget == operation.link) operation.link.reset();
  if (operation.forget == operation.revise) operation.revise.reset();
  const std::uint64_t level = roll(6) % 8;
  operation.level = level == 0   ? Durability::none
                    : level == 1 ? Durability::sync
                                 : Durability::process;
  operation.checkpoint = roll(7) % 64 == 0;
  operation.compact = roll(8) % 256 == 0;
  return operation;
}

void History::advance() {
  const Operation operation = next();
  if (operation.revise) alive_[*operation.revise].written_by = operation.number;
  if (operation.forget) alive_.erase(*operation.forget);
  alive_[operation.number] = {operation.number, operation.link};
  done_ = operation.number;
}

std::string History::session() const { return fmt::format("session {}", writer_); }
std::string History::head_key() const { return fmt::format("w{}-head", writer_); }
std::string History::key_of(std::uint64_t number) const {
  return fmt::format("w{}-{}", writer_, number);
}

// Mostly short, sometimes long enough for a blob, rarely large.
std::string History::content_of(std::uint64_t number, std::uint64_t written_by) const {
  const std::uint64_t size = random(written_by, 10);
  const std::size_t padding = size % 512 == 0  ? 60'000
                              : size % 16 == 0 ? 3'000 + size % 5'000
                                               : size % 200;
  return fmt::format("writer {}, memory {}, by operation {}: {}", writer_, number, written_by,
                     std::string(padding, static_cast<char>('a' + written_by % 26)));
}

std::string History::metadata_of(std::uint64_t number, std::uint64_t written_by) const {
  return fmt::format(R"({{"number":{},"by":{}}})", number, written_by);
}

std::vector<float> History::vector_of(std::uint64_t number, std::uint64_t written_by) const {
  std::vector<float> values(kHistoryDimension);
  for (std::uint32_t i = 0; i < kHistoryDimension; ++i) {
    const std::uint64_t bits = random(number * 1'000'003 + written_by, 20 + i);
    values[i] = static_cast<float>(bits % 20'001) / 10'000.0F - 1.0F;
  }
  return values;
}

NewMemory History::memory_of(std::uint64_t number, std::uint64_t written_by) const {
  NewMemory memory;
  memory.session = session();
  memory.content = content_of(number, written_by);
  memory.metadata = metadata_of(number, written_by);
  memory.event_time = static_cast<TimeNs>(number);
  memory.vectors.push_back({std::string(kHistorySpace), vector_of(number, written_by), ""});
  return memory;
}

Result<Batch> History::batch_of(const Operation& operation, const Snapshot& snapshot) const {
  Batch batch;
  NewMemory memory = memory_of(operation.number, operation.number);
  memory.key = key_of(operation.number);
  memory.mode = PutMode::if_absent;
  const MemoryRef added = batch.remember(std::move(memory));
  NewMemory head;
  head.key = head_key();
  head.content = std::to_string(operation.number);
  batch.remember(std::move(head));
  if (operation.link) {
    AEON_ASSIGN(const MemoryId to, snapshot.find_key("", key_of(*operation.link)));
    NewEdge edge;
    edge.from = added;
    edge.to = MemoryRef::of(to);
    edge.type = "refers_to";
    batch.link(std::move(edge));
  }
  if (operation.revise) {
    AEON_ASSIGN(const MemoryId id, snapshot.find_key("", key_of(*operation.revise)));
    batch.supersede(id, memory_of(*operation.revise, operation.number));
  }
  if (operation.forget) {
    AEON_ASSIGN(const MemoryId id, snapshot.find_key("", key_of(*operation.forget)));
    batch.forget(id);
  }
  return batch;
}

Result<std::uint64_t> History::done_in(const Snapshot& snapshot, int writer) {
  const auto id = snapshot.find_key("", History(writer).head_key());
  if (!id && id.error().code == Errc::unknown_id) return std::uint64_t{0};
  if (!id) return std::unexpected(id.error());
  Memory head;
  AEON_TRY(snapshot.get(*id, head));
  std::uint64_t number = 0;
  const char* const end = head.content.data() + head.content.size();
  const auto [stop, code] = std::from_chars(head.content.data(), end, number);
  if (code == std::errc() && stop == end) return number;
  return fail(Errc::damaged, fmt::format("the head of writer {} says {}", writer, head.content));
}

}  // namespace aeon::test
