// Concepts that no memory mentions any more and that are still there, since the commit that ended
// the last mention looked at no more than its share (concept_links.hpp). Looked for before files
// are rewritten without what has ended: that costs more anyway.
#include "engine/concepts.hpp"
#include "engine/store.hpp"
#include "graph/trace.hpp"
#include "storage/visible_cursor.hpp"

namespace aeon::engine {

namespace {

constexpr std::size_t kMostAtOnce = 16;  // each is looked at again while other writers wait

// What is known of the mentions of a concept.
struct Mentions {
  bool stands = false;  // by a visible memory
  bool ended = false;
  bool erased = false;  // by a memory that was erased
};

class Finder {
 public:
  Finder(const Reading& reading, std::uint32_t type) : reading_(reading), type_(type) {}

  // Adds what ends each of them.
  Status run(std::vector<Batch>& batches) {
    std::string prefix;
    storage::begin_key(prefix, storage::Table::keys);
    storage::VisibleCursor cursor(reading_.view.runs(), reading_.commit);
    std::size_t found = 0;
    for (cursor.seek(prefix); cursor.valid(); cursor.next()) {
      storage::KeyDecoder key(cursor.user_key());
      key.u8();
      key.u32();
      if (!is_concept_key(key.text()) || cursor.value().empty()) continue;
      const MemoryId id = storage::Decoder(cursor.value()).varint();
      if (id == 0) continue;
      AEON_ASSIGN(const Mentions mentions, mentions_of(id));
      if (mentions.stands || !mentions.ended) continue;
      if (found++ % kMostAtOnce == 0) batches.emplace_back();
      if (mentions.erased) {
        batches.back().erase(id);
      } else {
        batches.back().forget(id);
      }
    }
    return cursor.status();
  }

 private:
  Result<Mentions> mentions_of(MemoryId id) {
    Mentions mentions;
    graph::EdgeCursor cursor({reading_.view.runs(), reading_.commit}, id, graph::Way::in, type_,
                             graph::Edges::all);
    for (; cursor.valid(); cursor.next()) {
      AEON_ASSIGN(const bool visible, reading_.try_version(cursor.other_end(), source_));
      mentions.stands = visible && cursor.stands() && !is_concept_key(source_.record.key);
      if (mentions.stands) return mentions;
      mentions.ended = true;
      mentions.erased = mentions.erased || (source_.commit != 0 && source_.record.erased);
    }
    AEON_TRY(cursor.status());
    return mentions;
  }

  const Reading& reading_;
  const std::uint32_t type_;
  Reading::Version source_;
};

}  // namespace

Status Store::end_unmentioned() {
  std::vector<Batch> batches;
  {
    const CommitNumber commit = visible();
    const auto drop = [this](const View* view) { drop_view(view); };
    const std::unique_ptr<const View, decltype(drop)> held(hold_view(), drop);
    const Reading reading{*held, catalog_, std::max(commit, held->settled())};
    AEON_ASSIGN(const std::uint32_t type,
                reading.number_of(NameClass::edge_type, 0, kMentionsType));
    if (type == 0) return {};
    AEON_TRY(Finder(reading, type).run(batches));
  }
  for (Batch& batch : batches) {
    AEON_ASSIGN(PreparedBatch prepared, prepare(std::move(batch), catalog_, visible()));
    prepared.only_unmentioned = true;
    Pending pending(&prepared, Durability::process);
    AEON_TRY(submit(pending));
  }
  return {};
}

}  // namespace aeon::engine
