#include "tests/crash/history_check.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace aeon::test {

namespace {

// Forgotten memories that are looked for, counted back from the last operation.
constexpr std::uint64_t kForgottenLooks = 50;
// Memories that are recalled by their vectors.
constexpr std::size_t kRecalls = 8;

class Checker {
 public:
  Checker(const Snapshot& snapshot, const History& history, const AckMap& acks)
      : snapshot_(snapshot), history_(history), acks_(acks) {}

  std::string run() {
    for (const auto& [number, alive] : history_.alive()) {
      if (!memory(number, alive)) return found_;
    }
    for (const auto& [number, alive] : history_.alive()) {
      if (!links(number, alive)) return found_;
    }
    const std::uint64_t from = history_.done() - std::min(history_.done(), kForgottenLooks);
    for (std::uint64_t number = from + 1; number <= history_.done(); ++number) {
      if (!gone(number)) return found_;
    }
    if (line() && after_the_last()) recalls();
    return found_;
  }

 private:
  bool differs(std::string what) {
    found_ = fmt::format("at commit {}, with {} operations of writer {} done: {}",
                         snapshot_.commit(), history_.done(), history_.writer(), what);
    return false;
  }
  bool fails(std::string what, const Error& error) { return differs(what + error.message); }

  bool memory(std::uint64_t number, const History::Alive& alive) {
    const auto id = snapshot_.find_key("", history_.key_of(number));
    if (!id) return fails(fmt::format("memory {} is not found: ", number), id.error());
    ids_[number] = *id;
    if (const Status got = snapshot_.get(*id, memory_, true); !got) {
      return fails(fmt::format("memory {} can't be had: ", number), got.error());
    }
    const bool same = memory_.key == history_.key_of(number) &&
                      memory_.content == history_.content_of(number, alive.written_by) &&
                      memory_.metadata == history_.metadata_of(number, alive.written_by) &&
                      memory_.session == history_.session() &&
                      memory_.event_time == static_cast<TimeNs>(number);
    if (!same) {
      return differs(
          fmt::format("memory {} (id {}) should be as operation {} left it, but is \"{}\"", number,
                      *id, alive.written_by, memory_.content.substr(0, 80)));
    }
    if (memory_.vectors.size() != 1)
      return differs(fmt::format("memory {} lost its vector", number));
    if (const auto ack = acks_.find(number); ack != acks_.end() && ack->second.id != *id) {
      return differs(fmt::format("memory {} was acknowledged as id {} and is id {}", number,
                                 ack->second.id, *id));
    }
    const auto wrote = acks_.find(alive.written_by);
    if (wrote != acks_.end() && wrote->second.commit != memory_.version) {
      return differs(fmt::format("memory {} was acknowledged by commit {} and is of commit {}",
                                 number, wrote->second.commit, memory_.version));
    }
    return true;
  }

  bool links(std::uint64_t number, const History::Alive& alive) {
    const Status got = snapshot_.neighbours(ids_[number], Direction::out, "refers_to", 10, edges_);
    if (!got) return fails(fmt::format("links of memory {}: ", number), got.error());
    const bool expected = alive.link && history_.alive().contains(*alive.link);
    if (edges_.size() != (expected ? 1U : 0U)) {
      return differs(fmt::format("memory {} has {} links", number, edges_.size()));
    }
    if (expected && edges_[0].to != ids_[*alive.link]) {
      return differs(fmt::format("memory {} does not link to {}", number, *alive.link));
    }
    return true;
  }

  bool gone(std::uint64_t number) {
    if (history_.alive().contains(number)) return true;
    if (!snapshot_.find_key("", history_.key_of(number))) return true;
    return differs(fmt::format("memory {} was forgotten and is there", number));
  }

  // The session's line holds the memories alive, in order, by time and by `next`.
  bool line() {
    const Status got =
        snapshot_.timeline("", history_.session(), kBeginningOfTime, kEndOfTime, SIZE_MAX, events_);
    if (!got) return fails("the timeline: ", got.error());
    const auto is_event = [this](const auto& alive, const Event& event) {
      return event.id == ids_[alive.first];
    };
    if (std::ranges::equal(history_.alive(), events_, is_event)) return true;
    return differs(fmt::format("{} memories are alive, the timeline has {}, or another order",
                               history_.alive().size(), events_.size()));
  }

  bool after_the_last() {
    const auto next = snapshot_.find_key("", history_.key_of(history_.done() + 1));
    if (next) return differs("the next operation's memory is there");
    if (history_.alive().empty()) return true;
    const MemoryId first = ids_.begin()->second;
    const Status got = snapshot_.follow(first, SIZE_MAX, events_);
    if (!got) return fails("following the session: ", got.error());
    const bool same = std::ranges::equal(
        std::ranges::subrange(std::next(ids_.begin()), ids_.end()), events_,
        [](const auto& id, const Event& event) { return id.second == event.id; });
    return same || differs("the session's line leaves something out");
  }

  bool recalls() {
    std::size_t left = kRecalls;
    for (auto at = history_.alive().rbegin(); at != history_.alive().rend() && left > 0; ++at) {
      --left;
      const auto vector = history_.vector_of(at->first, at->second.written_by);
      Query query;
      query.space = kHistorySpace;
      query.vector = vector;
      query.k = 1;
      query.target_recall = 1;
      const Status got = snapshot_.recall(query, answer_);
      if (!got) return fails("recall: ", got.error());
      if (answer_.hits.size() != 1 || answer_.hits[0].id != ids_[at->first] || answer_.partial) {
        return differs(fmt::format("the vector of memory {} does not lead to it", at->first));
      }
    }
    return true;
  }

  const Snapshot& snapshot_;
  const History& history_;
  const AckMap& acks_;
  std::string found_;
  std::map<std::uint64_t, MemoryId> ids_;
  Memory memory_;
  std::vector<Edge> edges_;
  std::vector<Event> events_;
  Answer answer_;
};

}  // namespace

std::string difference(const Snapshot& snapshot, const History& history, const AckMap& acks) {
  return Checker(snapshot, history, acks).run();
}

std::string surplus(const Snapshot& snapshot, std::span<const History> histories,
                    std::size_t others) {
  std::size_t alive = 0;
  std::size_t heads = 0;
  for (const History& history : histories) {
    alive += history.alive().size();
    heads += history.done() > 0 ? 1 : 0;
  }
  std::vector<MemoryId> ids;
  if (const Status got = snapshot.list(0, SIZE_MAX, ids); !got) return got.error().message;
  if (ids.size() != alive + heads + others) {
    return fmt::format("at commit {}: {} memories are alive, {} heads, {} others; listed are {}",
                       snapshot.commit(), alive, heads, others, ids.size());
  }
  const std::vector<float> any(kHistoryDimension, 0.5F);
  Query query;
  query.space = kHistorySpace;
  query.vector = any;
  query.k = kMaxK;
  query.target_recall = 1;
  Answer answer;
  if (const Status got = snapshot.recall(query, answer); !got) return got.error().message;
  std::set<MemoryId> distinct;
  for (const Hit& hit : answer.hits) distinct.insert(hit.id);
  const std::size_t hits = std::min<std::size_t>(alive, kMaxK);
  if (answer.hits.size() != hits || distinct.size() != hits) {
    return fmt::format("at commit {}: {} memories are alive; recall finds {} rows of {}",
                       snapshot.commit(), alive, answer.hits.size(), distinct.size());
  }
  return {};
}

}  // namespace aeon::test
