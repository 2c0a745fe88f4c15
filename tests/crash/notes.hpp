// What a writer says about its commits, outside the palace: an intent before each, an
// acknowledgement after it. Lines go out with one write(2) each, so that they survive the death of
// the process, as what they speak of must.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/crash/history_check.hpp"

namespace aeon::test {

// The writer's side.
class NoteWriter {
 public:
  explicit NoteWriter(const std::string& path);
  ~NoteWriter();
  NoteWriter(const NoteWriter&) = delete;
  NoteWriter& operator=(const NoteWriter&) = delete;

  // All: false when the line could not be written.
  [[nodiscard]] bool intend(std::uint64_t number);
  [[nodiscard]] bool acknowledge(std::uint64_t number, const Ack& ack);
  // This writer got the key that all writers wanted.
  [[nodiscard]] bool win(std::uint64_t number);

 private:
  [[nodiscard]] bool say(std::string_view line);
  int file_;
};

// The reader's side: takes in what was added since it looked last.
class Notes {
 public:
  explicit Notes(std::string path) : path_(std::move(path)) {}
  void refresh();

  // The last operation that was begun, and the last that must survive the death of its writer.
  [[nodiscard]] std::uint64_t intended() const noexcept { return intended_; }
  [[nodiscard]] std::uint64_t kept() const noexcept { return kept_; }
  // Newest acknowledgements by operation. Those above what the palace shows are of level none and
  // lost: forget them before the next look.
  [[nodiscard]] const AckMap& acks() const noexcept { return acks_; }
  void forget_above(std::uint64_t number) { acks_.erase(acks_.upper_bound(number), acks_.end()); }
  [[nodiscard]] const std::map<std::uint64_t, bool>& wins() const noexcept { return wins_; }
  // Whether each commit number was above the one acknowledged before it.
  [[nodiscard]] bool ascending() const noexcept { return ascending_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  void take(const std::string& line);

  std::string path_;
  std::uint64_t read_ = 0;
  std::uint64_t intended_ = 0;
  std::uint64_t kept_ = 0;
  CommitNumber last_commit_ = 0;
  bool ascending_ = true;
  AckMap acks_;
  std::map<std::uint64_t, bool> wins_;
};

}  // namespace aeon::test
