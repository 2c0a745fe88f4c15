#include "engine/history.hpp"

#include <algorithm>

namespace aeon::engine {

namespace {

constexpr std::size_t kMostMarks = 512;

// From one to the other, none where the clock was set back between them.
std::uint64_t time_between(const HistoryMark& before, const HistoryMark& after) {
  if (after.time <= before.time) return 0;
  return static_cast<std::uint64_t>(after.time) - static_cast<std::uint64_t>(before.time);
}

}  // namespace

void add_mark(History& history, const HistoryMark& mark, TimeNs keep) {
  auto& marks = history.marks;
  if (!marks.empty() && mark.commit <= marks.back().commit) return;
  marks.push_back(mark);
  if (const HistoryMark* in_use = mark_before(history, mark.time, keep)) {
    marks.erase(marks.begin(), marks.begin() + (in_use - marks.data()));
  }
  if (marks.size() <= kMostMarks) return;
  std::size_t least = 1;
  std::uint64_t shortest = UINT64_MAX;
  for (std::size_t i = 1; i + 1 < marks.size(); ++i) {
    const std::uint64_t between = time_between(marks[i - 1], marks[i + 1]);
    if (between < shortest) least = i;
    shortest = std::min(shortest, between);
  }
  marks.erase(marks.begin() + static_cast<std::ptrdiff_t>(least));
}

const HistoryMark* mark_before(const History& history, TimeNs now, TimeNs keep) noexcept {
  if (keep == kEndOfTime || history.marks.empty()) return nullptr;
  if (keep == 0) return &history.marks.back();
  if (now <= kBeginningOfTime + keep) return nullptr;
  const HistoryMark* found = nullptr;
  for (const HistoryMark& mark : history.marks) {
    if (mark.time > now) continue;
    if (mark.time > now - keep) break;
    // One that is older than what came before it says nothing of when it was made.
    if (found == nullptr || mark.time >= found->time) found = &mark;
  }
  return found;
}

void encode_history(storage::Encoder& encoder, const History& history) {
  encoder.varint(history.dropped);
  encoder.varint(history.purged);
  encoder.varint(history.marks.size());
  for (const HistoryMark& mark : history.marks) {
    encoder.varint(mark.commit);
    encoder.fixed(mark.time);
    encoder.varint(mark.ended);
  }
}

bool decode_history(storage::Decoder& decoder, History& history) {
  history.dropped = decoder.varint();
  history.purged = decoder.varint();
  const std::uint64_t count = decoder.varint();
  if (count > decoder.rest().size()) return false;
  history.marks.clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    HistoryMark mark;
    mark.commit = decoder.varint();
    mark.time = decoder.fixed<TimeNs>();
    mark.ended = decoder.varint();
    history.marks.push_back(mark);
  }
  return decoder.ok();
}

}  // namespace aeon::engine
