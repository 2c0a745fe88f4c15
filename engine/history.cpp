#include "engine/history.hpp"

#include <algorithm>
#include <ranges>

namespace aeon::engine {

namespace {

constexpr std::size_t kMostMarks = 512;

}  // namespace

void add_mark(History& history, const HistoryMark& mark) {
  auto& marks = history.marks;
  if (!marks.empty() && mark.commit <= marks.back().commit) return;
  marks.push_back(mark);
  if (marks.size() <= kMostMarks) return;
  // Every other one of the older half goes.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (i < kMostMarks / 2 && i % 2 == 1) continue;
    marks[kept++] = marks[i];
  }
  marks.resize(kept);
}

const HistoryMark* mark_before(const History& history, TimeNs now, TimeNs keep) noexcept {
  if (keep == kEndOfTime) return nullptr;
  const auto old_enough = [now, keep](const HistoryMark& mark) {
    return keep == 0 || (now > kBeginningOfTime + keep && mark.time <= now - keep);
  };
  // A clock that was set back makes times that do not ascend; the order of commits counts.
  for (const HistoryMark& mark : std::views::reverse(history.marks)) {
    if (old_enough(mark)) return &mark;
  }
  return nullptr;
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
