// The state as the next commit will find it: an instant plus the decisions of commits that are
// ordered but not applied yet. The leader of a group resolves commit after commit against it; what
// a commit decided joins the draft only when the whole commit was accepted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "engine/counters.hpp"
#include "engine/record.hpp"
#include "engine/view.hpp"
#include "graph/trace.hpp"

namespace aeon::engine {

// What resolving needs to know of the newest version of a memory.
struct VersionState {
  bool visible = false;
  bool erased = false;
  CommitNumber commit = 0;
  std::uint32_t tenant = 0;
  std::uint32_t session = 0;
  TimeNs event_time = 0;
  TimeNs expires = kEndOfTime;
  bool is_bare_concept = false;  // see Draft::is_bare_concept()
  std::string key;
  std::vector<RowName> rows;
  std::optional<DocumentName> document;
};

// Numbers of names that are committed, by encoded name key. They never change, so what was looked
// up once is known for good.
using NameNumbers = std::unordered_map<std::string, std::uint32_t>;

class Draft {
 public:
  // `known` is read and added to.
  Draft(const Reading& reading, const Counters& counters, NameNumbers& known)
      : reading_(reading), known_(known), counters_(counters), accepted_counters_(counters) {}

  // A commit of about so many memories is going to be resolved.
  void expect(std::size_t memories) { now_.versions.reserve(memories); }
  // The commit being resolved joins the draft, or is forgotten.
  void accept();
  void reject();

  // Look-ups: this commit's decisions first, then the draft's, then the instant's.
  [[nodiscard]] Result<MemoryId> key_owner(std::uint32_t tenant, std::string_view key);
  [[nodiscard]] Result<MemoryId> session_end(std::uint32_t tenant, std::uint32_t session);
  [[nodiscard]] Result<WordCounts> word_counts(std::uint32_t tenant);
  [[nodiscard]] Result<std::uint32_t> number_of(NameClass kind, std::uint32_t parent,
                                                std::string_view name);
  [[nodiscard]] Result<std::string> session_name(std::uint32_t number) const;
  // Null when no memory ever had the id. Valid until the next call.
  [[nodiscard]] Result<const VersionState*> version(MemoryId id);
  [[nodiscard]] Result<bool> edge_exists(MemoryId from, std::uint32_t type, MemoryId to);
  [[nodiscard]] bool space_exists(std::string_view name) const;
  // The other ends of the `next` edges at a memory, ascending.
  [[nodiscard]] Result<std::vector<MemoryId>> line_neighbours(MemoryId id, graph::Way way);
  // Calls visit(type, other end, stands) -> Result<bool> for the edges at a memory, of one type or
  // (0) of all, those that were ended included, until it says false. Each costs one of `left`;
  // false when that ran out.
  template <typename Visit>
  [[nodiscard]] Result<bool> visit_edges(MemoryId id, graph::Way way, std::uint32_t type,
                                         std::size_t& left, Visit&& visit);
  // Nothing when the edge does not stand.
  [[nodiscard]] Result<std::optional<graph::EdgeRecord>> edge(MemoryId from, std::uint32_t type,
                                                              MemoryId to);
  // The key that a memory had which is not visible any more; empty when it had none or its history
  // is gone.
  [[nodiscard]] Result<std::string> last_key(MemoryId id, const VersionState& state);
  // Its session, likewise; 0 for none.
  [[nodiscard]] Result<std::uint32_t> last_session(MemoryId id, const VersionState& state);
  // Whether a version is a concept that holds nothing but its name, as mentions make them.
  [[nodiscard]] Result<bool> is_bare_concept(const VersionRecord& record);
  // Whether a payload's file is here and no memory has it.
  [[nodiscard]] Result<bool> payload_is_free(std::uint64_t blob_file);

  // Decisions of the commit being resolved.
  using Edge = std::tuple<MemoryId, std::uint32_t, MemoryId>;
  struct EdgeChange {
    bool existed = false;
    bool exists = false;
    std::string record;
  };
  void take_payload(std::uint64_t blob_file) { now_.payloads.insert(blob_file); }
  // `owner`: 0 when the key is free again, kErasedId when it is to vanish as well.
  void set_key(std::uint32_t tenant, std::string_view key, MemoryId owner);
  void set_session_end(std::uint32_t tenant, std::uint32_t session, MemoryId id);
  void set_word_counts(std::uint32_t tenant, WordCounts counts) {
    now_.word_counts[tenant] = counts;
  }
  void set_name(NameClass kind, std::uint32_t parent, std::string_view name, std::uint32_t number);
  void set_version(MemoryId id, VersionState state);
  [[nodiscard]] Status set_edge(const Edge& edge, bool exists, std::string record);
  void set_space(std::string_view name, std::uint32_t number) {
    now_.spaces[std::string(name)] = number;
  }
  [[nodiscard]] Counters& counters() noexcept { return counters_; }
  // The number of a space, made by this draft or before; 0 when there is none.
  [[nodiscard]] std::uint32_t space_number(std::string_view name) const;
  // Whether this commit wrote a version of the memory already.
  [[nodiscard]] bool touched(MemoryId id) const { return now_.versions.contains(id); }

  // What to put at the end of the commit's record.
  [[nodiscard]] const auto& keys() const noexcept { return now_.keys; }
  [[nodiscard]] const auto& session_ends() const noexcept { return now_.session_ends; }
  [[nodiscard]] const auto& word_counts() const noexcept { return now_.word_counts; }
  [[nodiscard]] const auto& edges() const noexcept { return now_.edges; }

 private:
  // The version before the one that ended the memory; empty where there is none.
  [[nodiscard]] Result<VersionRecord> last_version(MemoryId id, const VersionState& state);

  using KeyName = std::pair<std::uint32_t, std::string>;
  struct Hash {
    std::size_t operator()(const std::pair<std::uint32_t, std::string>& key) const noexcept {
      return std::hash<std::string>{}(key.second) * 31 + key.first;
    }
  };
  struct Layer {
    boost::unordered_flat_map<KeyName, MemoryId, Hash> keys;
    boost::unordered_flat_map<std::uint64_t, MemoryId> session_ends;   // tenant << 32 | session
    boost::unordered_flat_map<std::uint32_t, WordCounts> word_counts;  // by tenant
    boost::unordered_flat_map<std::string, std::uint32_t> names;       // by encoded name key
    boost::unordered_flat_map<MemoryId, VersionState> versions;
    boost::unordered_flat_map<std::string, std::uint32_t> spaces;
    std::map<Edge, EdgeChange> edges;
    std::map<Edge, bool> edges_in;  // by to, type, from; those of type `next` are below
    // Which of the edges of type `next` exist: by from and to, and by to and from.
    std::map<std::pair<MemoryId, MemoryId>, bool> next_out;
    std::map<std::pair<MemoryId, MemoryId>, bool> next_in;
    boost::unordered_flat_set<std::uint64_t> payloads;  // taken
    void move_into(Layer& other);
    void clear();
  };

  static constexpr std::size_t kMostKnown = 16'384;

  const Reading& reading_;
  NameNumbers& known_;
  Counters counters_;           // as the commit being resolved leaves them
  Counters accepted_counters_;  // as the last accepted commit left them
  Layer now_;
  Layer accepted_;
  VersionState found_;
  std::string key_;
};

template <typename Visit>
Result<bool> Draft::visit_edges(MemoryId id, graph::Way way, std::uint32_t type, std::size_t& left,
                                Visit&& visit) {
  std::map<std::pair<std::uint32_t, MemoryId>, bool> changed;
  const auto add = [&](const auto& edges, auto exists) {
    for (auto at = edges.lower_bound(Edge(id, type, 0)); at != edges.end(); ++at) {
      const auto [near, its_type, far] = at->first;
      if (near != id || (type != 0 && its_type != type)) break;
      changed[{its_type, far}] = exists(at->second);
    }
  };
  for (const Layer* layer : {&accepted_, &now_}) {
    if (way == graph::Way::out) {
      add(layer->edges, [](const EdgeChange& change) { return change.exists; });
    } else {
      add(layer->edges_in, [](bool exists) { return exists; });
    }
  }
  graph::EdgeCursor cursor({reading_.view.runs(), reading_.commit}, id, way, type,
                           graph::Edges::all);
  for (; cursor.valid(); cursor.next()) {
    if (left == 0) return false;
    --left;
    const auto edge = std::pair(cursor.edge().type, cursor.other_end());
    if (changed.contains(edge)) continue;
    AEON_ASSIGN(const bool more, visit(edge.first, edge.second, cursor.stands()));
    if (!more) return true;
  }
  AEON_TRY(cursor.status());
  for (const auto& [edge, exists] : changed) {
    if (left == 0) return false;
    --left;
    AEON_ASSIGN(const bool more, visit(edge.first, edge.second, exists));
    if (!more) return true;
  }
  return true;
}

}  // namespace aeon::engine
