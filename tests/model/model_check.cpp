#include "tests/model/model_check.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace aeon::test {

namespace {

constexpr MemoryId kForgottenLooks = 12;  // ids that are not visible and looked for

class Checker {
 public:
  Checker(const Snapshot& snapshot, const Model& model, Reads reads)
      : snapshot_(snapshot), model_(model), reads_(reads) {}

  std::string run() {
    const bool same = names() && list() && memories() && gone() && keys() && lines();
    return same ? std::string{} : found_;
  }

 private:
  template <typename... Parts>
  bool differs(fmt::format_string<Parts...> form, Parts&&... parts) {
    found_ = fmt::format("at commit {}: {}", snapshot_.commit(),
                         fmt::format(form, std::forward<Parts>(parts)...));
    return false;
  }

  // A read that failed.
  bool fails(const Error& error, const std::string& what) {
    return excused(error) || differs("{}: {}", what, error.message);
  }
  [[nodiscard]] bool excused(const Error& error) const {
    return reads_ == Reads::damaged && error.code == Errc::damaged;
  }

  bool names() {
    const auto spaces = snapshot_.spaces().value();
    const auto same = [](const SpaceSpec& a, const SpaceSpec& b) {
      return a.name == b.name && a.dimension == b.dimension && a.metric == b.metric &&
             a.precision == b.precision && a.model == b.model;
    };
    if (!std::ranges::equal(spaces, model_.spaces, same)) return differs("other spaces");
    auto tenants = snapshot_.tenants();
    if (!tenants) return fails(tenants.error(), "tenants");
    std::ranges::sort(*tenants);
    return std::ranges::equal(*tenants, model_.tenants) || differs("other tenants");
  }

  bool list() {
    std::vector<MemoryId> ids;
    std::vector<MemoryId> page;
    do {
      const MemoryId after = ids.empty() ? 0 : ids.back();
      if (const Status got = snapshot_.list(after, 7, page); !got) {
        return fails(got.error(), "list");
      }
      ids.insert(ids.end(), page.begin(), page.end());
    } while (!page.empty());
    const bool same = std::ranges::equal(
        ids, model_.memories, [](MemoryId id, const auto& is) { return id == is.first; });
    return same ||
           differs("{} memories are listed, {} are there", ids.size(), model_.memories.size());
  }

  bool memories() {
    for (const auto& [id, is] : model_.memories) {
      if (const Status got = snapshot_.get(id, memory_, true); !got) {
        if (!fails(got.error(), fmt::format("memory {}", id))) return false;
      } else if (!fields(is->memory) || !vectors(*is) || !content_in_place(id) || !links(id)) {
        return false;
      }
    }
    return true;
  }

  bool fields(const Memory& is) {
    const auto same = [&](const char* what, const auto& a, const auto& b) {
      return a == b || differs("memory {} has another {}", is.id, what);
    };
    return same("id", memory_.id, is.id) && same("version", memory_.version, is.version) &&
           same("tenant", memory_.tenant, is.tenant) &&
           same("session", memory_.session, is.session) && same("kind", memory_.kind, is.kind) &&
           same("key", memory_.key, is.key) && same("content", memory_.content, is.content) &&
           same("content type", memory_.content_type, is.content_type) &&
           same("metadata", memory_.metadata, is.metadata) &&
           same("event time", memory_.event_time, is.event_time) &&
           (is.commit_time == Model::kNoTime ||
            same("commit time", memory_.commit_time, is.commit_time)) &&
           same("valid_from", memory_.valid_from, is.valid_from) &&
           same("valid_to", memory_.valid_to, is.valid_to) &&
           same("expiry", memory_.expires, is.expires) &&
           same("importance", memory_.importance, is.importance);
  }

  bool vectors(const ModelMemory& is) {
    if (memory_.vectors.size() != is.vectors.size()) {
      return differs("memory {} has {} vectors, not {}", memory_.id, memory_.vectors.size(),
                     is.vectors.size());
    }
    for (const Memory::Vector& vector : memory_.vectors) {
      const auto at = is.vectors.find(vector.space);
      const SpaceSpec* spec = model_.space(vector.space);
      if (at == is.vectors.end() || spec == nullptr || vector.model != spec->model) {
        return differs("memory {} has a vector of space {}", memory_.id, vector.space);
      }
      std::vector<float>& kept = at->second->kept;
      if (kept.empty() && near(vector.values, at->second->given, spec->precision)) {
        kept = vector.values;
      }
      if (kept != vector.values) {
        return differs("memory {} has another vector in space {}", memory_.id, vector.space);
      }
    }
    return true;
  }

  // Within half a step of the precision.
  static bool near(const std::vector<float>& kept, const std::vector<float>& given,
                   Precision precision) {
    if (given.empty()) {  // the embedder's: of unit length
      double sum = 0;
      for (const float value : kept) sum += static_cast<double>(value) * value;
      return std::fabs(sum - 1) < 1e-2;
    }
    if (kept.size() != given.size()) return false;
    double largest = 0;
    for (const float value : given) largest = std::max(largest, std::fabs(double{value}));
    const double step = precision == Precision::float32   ? 0
                        : precision == Precision::float16 ? largest * 0x1p-11
                                                          : largest / 127 * 0.50001;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (!(std::fabs(double{kept[i]} - double{given[i]}) <= step)) return false;
    }
    return true;
  }

  bool content_in_place(MemoryId id) {
    const auto content = snapshot_.view_content(id);
    if (!content) return fails(content.error(), fmt::format("content of memory {}", id));
    return !*content || **content == memory_.content ||
           differs("memory {} has another content in place", id);
  }

  bool links(MemoryId id) {
    return links(id, Direction::out, model_.edges) && links(id, Direction::in, model_.edges_in);
  }

  bool links(MemoryId id, Direction direction, const std::map<Model::EdgeName, Edge>& map) {
    expected_.clear();
    for (auto at = map.lower_bound({id, "", 0}); at != map.end() && std::get<0>(at->first) == id;
         ++at) {
      if (model_.shows(at->second)) expected_.push_back(at->second);
    }
    if (const Status got = snapshot_.neighbours(id, direction, "", SIZE_MAX, edges_); !got) {
      return fails(got.error(), fmt::format("edges of memory {}", id));
    }
    std::ranges::sort(edges_, {}, [direction](const Edge& edge) {
      return std::tuple(edge.type, direction == Direction::out ? edge.to : edge.from);
    });
    const auto same = [](const Edge& a, const Edge& b) {
      return a.from == b.from && a.to == b.to && a.type == b.type && a.weight == b.weight &&
             a.valid_from == b.valid_from && a.valid_to == b.valid_to && a.version == b.version;
    };
    if (!std::ranges::equal(edges_, expected_, same)) {
      return differs("memory {} has other edges: {}, not {}", id, edges_.size(), expected_.size());
    }
    return expected_.empty() || of_one_type(id, direction, expected_.front().type);
  }

  bool of_one_type(MemoryId id, Direction direction, const std::string& type) {
    const auto count = static_cast<std::size_t>(std::ranges::count(expected_, type, &Edge::type));
    for (const std::size_t limit : {SIZE_MAX, std::size_t{1}}) {
      const Status got = snapshot_.neighbours(id, direction, type, limit, edges_);
      if (!got && excused(got.error())) continue;
      if (!got || edges_.size() != std::min(count, limit)) {
        return differs("memory {} has {} edges of type {}, not {}", id, edges_.size(), type, count);
      }
    }
    return true;
  }

  // Ids that were forgotten, and the next that was never used.
  bool gone() {
    const MemoryId step = std::max<MemoryId>(1, model_.next_id / kForgottenLooks);
    for (MemoryId id = model_.next_id; id >= 1; id -= std::min(id, step)) {
      if (model_.memories.contains(id)) continue;
      const Status got = snapshot_.get(id, memory_);
      if (!got && excused(got.error())) continue;
      if (got || got.error().code != Errc::unknown_id) return differs("memory {} is there", id);
    }
    return true;
  }

  bool keys() {
    for (const auto& [tenant, key] : model_.keys) {
      const MemoryId owner = model_.find_key(tenant, key);
      const auto found = snapshot_.find_key(tenant, key);
      const bool same =
          owner != 0 ? found && *found == owner : !found && found.error().code == Errc::unknown_id;
      if (!same) return differs("key {} of tenant \"{}\" is not memory {}'s", key, tenant, owner);
    }
    return true;
  }

  bool lines() {
    for (const auto& [line, end] : model_.line_ends) {
      const auto& [tenant, session] = line;
      std::vector<std::pair<TimeNs, MemoryId>> events;
      for (const auto& [id, is] : model_.memories) {
        if (is->memory.tenant == tenant && is->memory.session == session) {
          events.emplace_back(is->memory.event_time, id);
        }
      }
      std::ranges::sort(events);
      if (!timeline(tenant, session, kBeginningOfTime, kEndOfTime, SIZE_MAX, events)) return false;
      if (!timeline(tenant, session, 200, 700, 5, events)) return false;
      if (!events.empty() && !walks(events.front().second)) return false;
      if (!events.empty() && !walks(events.back().second)) return false;
    }
    return true;
  }

  bool timeline(const std::string& tenant, const std::string& session, TimeNs since, TimeNs until,
                std::size_t limit, const std::vector<std::pair<TimeNs, MemoryId>>& events) {
    std::vector<std::pair<TimeNs, MemoryId>> expected;
    for (const auto& event : events) {
      const bool within = event.first >= since && (event.first < until || until == kEndOfTime);
      if (within && expected.size() < limit) expected.push_back(event);
    }
    const Status got = snapshot_.timeline(tenant, session, since, until, limit, events_);
    if (!got) return fails(got.error(), "timeline of " + session);
    const auto same = [](const Event& a, const auto& b) {
      return a.time == b.first && a.id == b.second;
    };
    return std::ranges::equal(events_, expected, same) ||
           differs("session \"{}\" of tenant \"{}\" has {} events in time, not {}", session, tenant,
                   events_.size(), expected.size());
  }

  bool walks(MemoryId id) {
    for (const std::size_t count : {std::size_t{3}, SIZE_MAX}) {
      for (const bool forward : {true, false}) {
        const Status got = forward ? snapshot_.follow(id, count, events_)
                                   : snapshot_.backtrack(id, count, events_);
        if (!got && excused(got.error())) continue;
        if (!got) return fails(got.error(), fmt::format("the line at memory {}", id));
        const auto expected = model_.walk(id, forward, count);
        const bool same =
            std::ranges::equal(events_, expected, [this](const Event& event, MemoryId other) {
              return event.id == other && event.time == model_.find(other)->memory.event_time;
            });
        if (!same)
          return differs("memory {} has {} events {} it, not {}", id, events_.size(),
                         forward ? "after" : "before", expected.size());
      }
    }
    return true;
  }

  const Snapshot& snapshot_;
  const Model& model_;
  const Reads reads_;
  std::string found_;
  Memory memory_;
  std::vector<Edge> edges_;
  std::vector<Edge> expected_;
  std::vector<Event> events_;
};

}  // namespace

std::string difference(const Snapshot& snapshot, const Model& model, Reads reads) {
  return Checker(snapshot, model, reads).run();
}

std::string stats_difference(const Stats& stats, const Model& model) {
  const auto differs = [](const char* what, std::uint64_t is, std::uint64_t expected) {
    return is == expected ? std::string{} : fmt::format("stats: {} {}, not {}", is, what, expected);
  };
  std::string found = differs("memories", stats.memories, model.memories.size()) +
                      differs("versions", stats.versions, model.versions) +
                      differs("edges", stats.edges, model.edges.size()) +
                      differs("spaces", stats.spaces.size(), model.spaces.size());
  for (std::size_t i = 0; found.empty() && i < stats.spaces.size(); ++i) {
    found = differs("rows", stats.spaces[i].rows, model.rows.at(model.spaces[i].name));
  }
  return found;
}

}  // namespace aeon::test
