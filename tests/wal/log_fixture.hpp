// A palace's log in a directory of some Os, and short words for what the log's tests do with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "storage/codec.hpp"
#include "storage/os.hpp"
#include "wal/log_file.hpp"
#include "wal/log_reader.hpp"
#include "wal/log_writer.hpp"

namespace aeon::test {

inline constexpr storage::PalaceUuid kPalace{0x1234, 0x5678};

template <typename T>
T must(Result<T> result) {
  if (!result) FAIL(errc_name(result.error().code) << ": " << result.error().message);
  return std::move(*result);
}
inline void must(Status status) {
  if (!status) FAIL(errc_name(status.error().code) << ": " << status.error().message);
}

// What reading a log from a position to its end gave.
struct Replay {
  std::vector<wal::CommitHeader> headers;
  std::vector<std::string> payloads;
  std::vector<wal::FrameView> frames;  // their payloads are gone; close frames too
  wal::LogEnd end;
};

class Log {
 public:
  Log(storage::Os& os, std::string directory) : os_(os), place_{std::move(directory), kPalace} {}

  wal::LogPosition create() {
    return must(wal::create_log(os_, place_, 1, 1, 0, wal::genesis_chain(kPalace)));
  }
  wal::LogPosition start(std::uint64_t number = 1) {
    return must(wal::LogReader::start_of(os_, place_, number));
  }
  std::unique_ptr<wal::LogReader> reader(const wal::LogPosition& from) {
    return must(wal::LogReader::open(os_, place_, from));
  }
  Result<Replay> try_replay(const wal::LogPosition& from) {
    Replay replay;
    AEON_ASSIGN(auto log_reader, wal::LogReader::open(os_, place_, from));
    while (true) {
      AEON_ASSIGN(auto frame, log_reader->next());
      if (!frame) break;
      replay.frames.push_back(*frame);
      replay.frames.back().payload = {};
      if (frame->kind == wal::FrameKind::close) continue;
      replay.headers.push_back(frame->header);
      replay.payloads.emplace_back(storage::as_view(frame->payload));
    }
    AEON_ASSIGN(replay.end, log_reader->examine_end());
    return replay;
  }
  Replay replay(const wal::LogPosition& from) { return must(try_replay(from)); }
  Replay replay() { return replay(start()); }

  std::unique_ptr<wal::LogWriter> writer(const wal::LogEnd& end) {
    return must(wal::LogWriter::open(os_, place_, end));
  }
  // A writer at the end of everything.
  std::unique_ptr<wal::LogWriter> writer() { return writer(replay().end); }

  Status append(wal::LogWriter& to, const std::vector<std::string>& payloads,
                wal::Urgency urgency = wal::Urgency::ordinary) {
    std::vector<wal::PreparedCommit> commits;
    for (const std::string& payload : payloads) {
      commits.push_back(wal::PreparedCommit::prepare(storage::as_bytes(payload), os_.random_u64(),
                                                     1000 + counter_++, 7, 3, 1));
    }
    std::vector<wal::PreparedCommit*> group;
    for (auto& commit : commits) group.push_back(&commit);
    return to.append(group, urgency);
  }

  [[nodiscard]] storage::Os& os() noexcept { return os_; }
  [[nodiscard]] const wal::LogPlace& place() const noexcept { return place_; }
  [[nodiscard]] std::string path(std::uint64_t number = 1) const {
    return wal::log_path(place_.directory, number);
  }

 private:
  storage::Os& os_;
  wal::LogPlace place_;
  std::int64_t counter_ = 0;
};

inline std::string read_whole(storage::Os& os, const std::string& path) {
  auto file = must(os.open_file(path, storage::OpenMode::read));
  std::string bytes(must(file->size()), '\0');
  must(file->read_at(std::as_writable_bytes(std::span(bytes)), 0));
  return bytes;
}

inline void overwrite(storage::Os& os, const std::string& path, std::uint64_t offset,
                      std::string_view bytes) {
  auto file = must(os.open_file(path, storage::OpenMode::read_write));
  must(file->write_at(storage::as_bytes(bytes), offset));
}

// Replaces the file by `bytes`.
inline void replace(storage::Os& os, const std::string& path, std::string_view bytes) {
  if (os.exists(path)) must(os.unlink(path));
  auto file = must(os.open_file(path, storage::OpenMode::create));
  must(file->write_at(storage::as_bytes(bytes), 0));
}

// A payload that names itself.
inline std::string payload_of(std::uint64_t n, std::size_t bytes = 40) {
  std::string text = "commit " + std::to_string(n) + " ";
  while (text.size() < bytes) text.push_back(static_cast<char>('a' + (n + text.size()) % 26));
  return text;
}

}  // namespace aeon::test
