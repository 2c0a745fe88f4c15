// A hash of what a palace says, whatever shape it lies in: every visible memory with its content,
// stamps and vectors, and every visible edge but the `next` links, which follow from the order of
// events. Commit numbers and times are left out, so that an imported copy hashes alike.
#include "engine/no_memory.hpp"
#include "engine/palace.hpp"
#include "storage/checksum.hpp"
#include "storage/codec.hpp"

namespace aeon {

namespace {

constexpr std::size_t kStep = 256;

void encode_memory(storage::Encoder& encoder, const Memory& memory) {
  encoder.fixed(memory.id);
  for (const std::string* text : {&memory.tenant, &memory.session, &memory.kind, &memory.key,
                                  &memory.content, &memory.metadata}) {
    encoder.bytes(*text);
  }
  encoder.fixed(memory.content_type);
  encoder.fixed(memory.event_time);
  encoder.fixed(memory.valid_from);
  encoder.fixed(memory.valid_to);
  encoder.fixed(memory.expires);
  encoder.fixed(memory.importance);
  for (const Memory::Vector& vector : memory.vectors) {
    encoder.bytes(vector.space);
    encoder.bytes(vector.model);
    encoder.bytes(storage::as_view(std::as_bytes(std::span(vector.values))));
  }
}

// Types are numbered in the order of their first use, which an import may change; so edges are
// summed, not chained.
std::uint64_t hash_of(const Edge& edge, std::string& scratch) {
  scratch.clear();
  storage::Encoder encoder(scratch);
  encoder.fixed(edge.from);
  encoder.fixed(edge.to);
  encoder.bytes(edge.type);
  encoder.fixed(edge.weight);
  encoder.fixed(edge.valid_from);
  encoder.fixed(edge.valid_to);
  return storage::hash64(storage::as_bytes(scratch), 1);
}

}  // namespace

Result<std::uint64_t> Snapshot::state_hash() const try {
  std::uint64_t hash = 0;
  std::vector<MemoryId> ids;
  std::vector<Edge> edges;
  Memory memory;
  std::string bytes;
  for (MemoryId after = 0;; after = ids.back()) {
    AEON_TRY(list(after, kStep, ids));
    if (ids.empty()) return hash;
    for (const MemoryId id : ids) {
      AEON_TRY(get(id, memory, true));
      bytes.clear();
      storage::Encoder encoder(bytes);
      encode_memory(encoder, memory);
      hash = storage::hash64(storage::as_bytes(bytes), hash);
      AEON_TRY(neighbours(id, Direction::out, "", SIZE_MAX, edges));
      std::uint64_t sum = 0;
      for (const Edge& edge : edges) sum += edge.type == "next" ? 0 : hash_of(edge, bytes);
      hash = storage::place_seed(hash, sum);
    }
  }
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

}  // namespace aeon
