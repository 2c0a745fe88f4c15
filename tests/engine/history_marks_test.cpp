// The marks that the horizon moves along: few of them, for any number of checkpoints, and what
// wrong clocks do to them.
#include <catch2/catch.hpp>

#include "engine/history.hpp"

using namespace aeon;
using namespace aeon::engine;

namespace {

constexpr TimeNs kMinute = 60'000'000'000;
constexpr TimeNs kDay = 24 * 60 * kMinute;
constexpr TimeNs kStart = 20'000 * kDay;

History marks_at(std::initializer_list<TimeNs> times, TimeNs keep) {
  History history;
  for (const TimeNs time : times) {
    add_mark(history, {history.marks.empty() ? 1 : history.marks.back().commit + 1, time, 0}, keep);
  }
  return history;
}

}  // namespace

TEST_CASE("the horizon follows at its distance however many checkpoints there are") {
  const TimeNs keep = 10 * kDay;
  History history;
  CommitNumber before = 0;
  for (CommitNumber i = 1; i <= 50'000; ++i) {
    const TimeNs now = kStart + static_cast<TimeNs>(i) * kMinute;
    add_mark(history, {i, now, i}, keep);
    const HistoryMark* mark = mark_before(history, now, keep);
    if (now - kStart <= keep + kMinute) continue;
    REQUIRE(mark != nullptr);
    REQUIRE(mark->time <= now - keep);
    REQUIRE(mark->time >= now - keep - keep / 64);
    REQUIRE(mark->commit >= before);
    before = mark->commit;
    REQUIRE(history.marks.size() <= 512);
    REQUIRE(&history.marks.front() == mark);
  }
}

TEST_CASE("marks are kept when history is kept for ever, and are one when none is kept") {
  History history;
  History none;
  for (CommitNumber i = 1; i <= 5'000; ++i) {
    const TimeNs now = kStart + static_cast<TimeNs>(i) * kMinute;
    add_mark(history, {i, now, i}, kEndOfTime);
    add_mark(none, {i, now, i}, 0);
    REQUIRE(none.marks.size() == 1);
  }
  CHECK(mark_before(none, kStart, 0)->commit == 5'000);
  CHECK(mark_before(history, kStart + 5'000 * kMinute, kEndOfTime) == nullptr);
  REQUIRE(history.marks.size() == 512);
  CHECK(history.marks.front().commit == 1);
  // Told later that a day is enough, it has a mark of about that age.
  const HistoryMark* mark = mark_before(history, kStart + 5'000 * kMinute, kDay);
  REQUIRE(mark != nullptr);
  CHECK(mark->time > kStart + 5'000 * kMinute - kDay - kDay / 32);
}

TEST_CASE("a checkpoint under a wrong clock gives up nothing that is young") {
  const TimeNs keep = 30 * kDay;
  const TimeNs now = kStart + 100 * kDay;
  // 1970 behind marks that are young, and behind marks that are old.
  const History young = marks_at({now - kDay, 0, now}, keep);
  CHECK(mark_before(young, now, keep) == nullptr);
  const History old = marks_at({now - 40 * kDay, 0, now}, keep);
  REQUIRE(mark_before(old, now, keep) != nullptr);
  CHECK(mark_before(old, now, keep)->commit == 1);
  CHECK(mark_before(old, now + 31 * kDay, keep)->commit == 3);
  // A mark from the future counts for nothing, once the clock is right.
  const History ahead = marks_at({now - 40 * kDay, now + 1000 * kDay, now}, kEndOfTime);
  CHECK(mark_before(ahead, now, keep)->commit == 1);
  CHECK(mark_before(ahead, now + 31 * kDay, keep)->commit == 3);
}
