// Walks through a snapshot: the graph of memories as graph/ walks it.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "engine/filter.hpp"
#include "engine/no_memory.hpp"
#include "engine/palace.hpp"
#include "engine/store.hpp"
#include "graph/activation.hpp"
#include "graph/breadth_first.hpp"
#include "graph/page_rank.hpp"
#include "graph/trace.hpp"

namespace aeon {

using engine::NameClass;
using engine::Reading;

namespace {

bool holds_at(TimeNs from, TimeNs to, const std::optional<TimeNs>& at) {
  return !at || (from <= *at && (*at < to || to == kEndOfTime));
}

// The edges that a query wants, at one instant. Each memory is looked up once.
class MemoryGraph final : public graph::Adjacency {
 public:
  MemoryGraph(const Reading& reading, const WalkQuery& query) : reading_(reading), query_(query) {}

  // Checks the query; `starts` are its distinct starts.
  Status prepare(std::vector<std::uint64_t>& starts) {
    AEON_TRY(check_bounds());
    if (!query_.filter.empty()) {
      AEON_ASSIGN(filter_, engine::Filter::parse(query_.filter));
    }
    for (const TypeWeight& type : query_.types) AEON_TRY(add_type(type));
    for (const MemoryId id : query_.from) {
      AEON_TRY(reading_.find_version(id, version_));
      if (starts.empty()) tenant_ = version_.record.tenant;
      if (!wanted_.try_emplace(id, true).second) continue;
      starts.push_back(id);
    }
    if (!query_.kind.empty()) {
      AEON_ASSIGN(kind_, reading_.number_of(NameClass::kind, 0, query_.kind));
      nothing_ = nothing_ || kind_ == 0;
    }
    if (!query_.session.empty()) {
      AEON_ASSIGN(session_, reading_.number_of(NameClass::session, tenant_, query_.session));
      nothing_ = nothing_ || session_ == 0;
    }
    return {};
  }

  Result<bool> leaving(std::uint64_t node, std::uint64_t most, std::vector<graph::WalkEdge>& edges,
                       std::uint64_t& touched) override {
    edges.clear();
    if (nothing_) return true;
    bool all = true;
    if (query_.way != WalkWay::in) {
      AEON_ASSIGN(all, add_edges(node, graph::Way::out, most, edges, touched));
    }
    if (all && query_.way != WalkWay::out) {
      AEON_ASSIGN(all, add_edges(node, graph::Way::in, most, edges, touched));
    }
    return all;
  }

 private:
  Status check_bounds() const {
    if (query_.from.empty()) return fail(Errc::invalid_argument, "a walk needs a start");
    const auto within = [](double value, bool one) { return value > 0 && (value < 1 || one); };
    if (!within(query_.decay, query_.decay == 1) || !within(query_.error, query_.error == 1) ||
        !within(query_.restart, false)) {
      return fail(Errc::invalid_argument,
                  fmt::format("decay {} and error {} of a walk must be above 0 and at most 1, "
                              "restart {} between 0 and 1",
                              query_.decay, query_.error, query_.restart));
    }
    for (const TypeWeight& type : query_.types) {
      if (std::isfinite(type.weight) && type.weight > 0) continue;
      return fail(Errc::invalid_argument,
                  fmt::format("the weight of edge type \"{}\" is {}; it must be above 0", type.type,
                              type.weight));
    }
    return {};
  }

  // A type that no edge has leads nowhere.
  Status add_type(const TypeWeight& type) {
    std::uint32_t number = graph::kNextType;
    if (type.type != "next") {
      AEON_ASSIGN(number, reading_.number_of(NameClass::edge_type, 0, type.type));
    }
    if (number != 0) types_[number] = type.weight;
    return {};
  }

  Result<bool> add_edges(std::uint64_t node, graph::Way way, std::uint64_t& most,
                         std::vector<graph::WalkEdge>& edges, std::uint64_t& touched) {
    // One type is looked up by itself; several are picked out of all.
    const std::uint32_t only = types_.size() == 1 ? types_.begin()->first : 0;
    if (!query_.types.empty() && types_.empty()) return true;
    // Edges that were ended cost as much as others until a merge leaves them out.
    graph::EdgeCursor cursor({reading_.view.runs(), reading_.commit}, node, way, only,
                             graph::Edges::all);
    for (; cursor.valid(); cursor.next()) {
      if (most == 0) return false;
      --most;
      ++touched;
      if (!cursor.stands()) continue;
      const graph::FoundEdge& edge = cursor.edge();
      double weight = edge.record.weight;
      if (!query_.types.empty()) {
        const auto type = types_.find(edge.type);
        if (type == types_.end()) continue;
        weight *= type->second;
      }
      if (!(weight > 0) ||
          !holds_at(edge.record.valid_from, edge.record.valid_to, query_.valid_at)) {
        continue;
      }
      AEON_ASSIGN(const bool wanted, is_wanted(cursor.other_end()));
      if (wanted) edges.push_back({cursor.other_end(), weight});
    }
    AEON_TRY(cursor.status());
    return true;
  }

  Result<bool> is_wanted(MemoryId id) {
    const auto [at, added] = wanted_.try_emplace(id, false);
    if (!added) return at->second;
    AEON_ASSIGN(const bool visible, reading_.try_version(id, version_));
    const engine::VersionRecord& record = version_.record;
    at->second = visible && holds_at(record.valid_from, record.valid_to, query_.valid_at) &&
                 (kind_ == 0 || record.kind == kind_) &&
                 (session_ == 0 || record.session == session_) &&
                 (filter_ == nullptr || filter_->matches(record.metadata));
    return at->second;
  }

  const Reading& reading_;
  const WalkQuery& query_;
  std::unique_ptr<engine::Filter> filter_;
  std::unordered_map<std::uint32_t, double> types_;  // wanted ones that have a number
  std::unordered_map<MemoryId, bool> wanted_;
  std::uint32_t tenant_ = 0;
  std::uint32_t kind_ = 0;
  std::uint32_t session_ = 0;
  bool nothing_ = false;  // nothing can match
  Reading::Version version_;
};

void begin(WalkAnswer& answer, CommitNumber commit) {
  answer.found.clear();
  answer.commit = commit;
  answer.error = 0;
}

void finish(WalkAnswer& answer, const graph::WalkBudget& budget) {
  answer.edges = budget.touched();
  answer.complete = budget.complete();
}

// The best first, equal ones by id; no more than wanted.
void keep_best(WalkAnswer& answer, std::uint32_t limit) {
  const auto better = [](const Walked& a, const Walked& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  };
  const std::size_t count = std::min<std::size_t>(limit, answer.found.size());
  const auto middle = answer.found.begin() + static_cast<std::ptrdiff_t>(count);
  std::ranges::partial_sort(answer.found, middle, better);
  answer.found.resize(count);
}

}  // namespace

Status Snapshot::reach(const WalkQuery& query, WalkAnswer& answer) const try {
  const Reading reading = this->reading();
  MemoryGraph memories(reading, query);
  std::vector<std::uint64_t> starts;
  AEON_TRY(memories.prepare(starts));
  graph::WalkBudget budget(query.max_edges);
  std::vector<graph::Reached> reached;
  AEON_TRY(graph::reach(memories, starts, {query.hops, query.limit, 0}, budget, reached));
  begin(answer, commit_);
  for (const graph::Reached& node : reached) {
    if (node.via != 0) answer.found.push_back({node.id, node.via, node.hops, 0});
  }
  finish(answer, budget);
  return {};
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Snapshot::path(MemoryId to, const WalkQuery& query, WalkAnswer& answer) const try {
  const Reading reading = this->reading();
  MemoryGraph memories(reading, query);
  std::vector<std::uint64_t> starts;
  AEON_TRY(memories.prepare(starts));
  Reading::Version version;
  AEON_TRY(reading.find_version(to, version));
  graph::WalkBudget budget(query.max_edges);
  std::vector<graph::Reached> reached;
  AEON_TRY(graph::reach(memories, starts, {query.hops, UINT64_MAX, to}, budget, reached));
  begin(answer, commit_);
  if (!reached.empty() && reached.back().id == to) {
    const std::vector<std::uint64_t> ids = graph::path_to_last(reached);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      answer.found.push_back({ids[i], i == 0 ? 0 : ids[i - 1], static_cast<std::uint32_t>(i), 0});
    }
  }
  finish(answer, budget);
  return {};
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Snapshot::activate(const WalkQuery& query, WalkAnswer& answer) const try {
  const Reading reading = this->reading();
  MemoryGraph memories(reading, query);
  std::vector<std::uint64_t> starts;
  AEON_TRY(memories.prepare(starts));
  graph::WalkBudget budget(query.max_edges);
  std::vector<graph::Activated> activated;
  AEON_ASSIGN(
      const double error,
      graph::activate(memories, starts, {query.decay, query.hops, query.error}, budget, activated));
  begin(answer, commit_);
  for (const graph::Activated& node : activated) {
    answer.found.push_back({node.id, 0, node.round, node.activation});
  }
  keep_best(answer, query.limit);
  answer.error = error;
  finish(answer, budget);
  return {};
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

Status Snapshot::rank(const WalkQuery& query, WalkAnswer& answer) const try {
  const Reading reading = this->reading();
  MemoryGraph memories(reading, query);
  std::vector<std::uint64_t> starts;
  AEON_TRY(memories.prepare(starts));
  graph::WalkBudget budget(query.max_edges);
  std::vector<graph::Ranked> ranked;
  AEON_ASSIGN(const double error,
              graph::page_rank(memories, starts, {query.restart, query.error}, budget, ranked));
  begin(answer, commit_);
  for (const graph::Ranked& node : ranked) answer.found.push_back({node.id, 0, 0, node.rank});
  keep_best(answer, query.limit);
  answer.error = error;
  finish(answer, budget);
  return {};
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

}  // namespace aeon
