#include "tests/crash/palace_server.hpp"

#include <signal.h>

#include <cstdio>
#include <iostream>

#include <fmt/format.h>

namespace aeon::test {

namespace {

Result<std::string> done(const Status& status) {
  if (!status) return std::unexpected(status.error());
  return "ok";
}

Result<std::string> hash(const Snapshot& snapshot) {
  AEON_ASSIGN(const std::uint64_t hash, snapshot.state_hash());
  return std::to_string(hash);
}

Durability level_of(const std::string& name) {
  return name == "sync" ? Durability::sync : Durability::process;
}

}  // namespace

PalaceServer::PalaceServer()
    : os_([this](std::string_view call, const std::string& path) { watch(call, path); }) {}

Status PalaceServer::open(const std::string& directory, const std::string& mode) {
  OpenOptions options;
  options.background = mode == "follow";
  options.read_only = mode == "read";
  options.os = &os_;
  AEON_ASSIGN(Palace palace, Palace::open(directory, options));
  palace_ = std::make_unique<Palace>(std::move(palace));
  return {};
}

void PalaceServer::stop_at(std::string call, std::string file, std::string first_call,
                           std::string first_file) {
  const std::lock_guard lock(mutex_);
  stops_.clear();
  if (!first_call.empty()) stops_.emplace_back(std::move(first_call), std::move(first_file));
  stops_.emplace_back(std::move(call), std::move(file));
}

void PalaceServer::watch(std::string_view call, const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    if (stops_.empty() || call != stops_.front().first) return;
    const auto name = std::string_view(path).substr(path.rfind('/') + 1);
    if (!name.starts_with(stops_.front().second)) return;
    stops_.pop_front();
    if (!stops_.empty()) return;
  }
  ::raise(SIGSTOP);
}

void PalaceServer::run() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    const auto answer = obey(words);
    const std::string text =
        answer ? *answer
               : fmt::format("! {} {}", errc_name(answer.error().code), answer.error().message);
    std::puts(text.c_str());
    std::fflush(stdout);
  }
}

Result<std::string> PalaceServer::obey(std::istringstream& words) {
  std::string command;
  words >> command;
  if (command == "put") return put(words, PutMode::upsert);
  if (command == "claim") return put(words, PutMode::if_absent);
  if (command == "fill") return fill(words);
  if (command == "turns") return turns(words);
  if (command == "claims") return claims(words);
  if (command == "close") return done(palace_->close());
  if (command == "stop") {
    std::string names[4];
    for (std::string& name : names) words >> name;
    stop_at(names[0], names[1], names[2], names[3]);
    return "ok";
  }
  return tend(command, words);
}

Result<std::string> PalaceServer::tend(const std::string& command, std::istringstream& words) {
  if (command == "checkpoint") return done(palace_->checkpoint());
  if (command == "compact") return done(palace_->compact());
  if (command == "upkeep") return upkeep(words);
  if (command == "logs") return logs();
  if (command == "verify") return verify();
  return look(command, words);
}

Result<std::string> PalaceServer::look(const std::string& command, std::istringstream& words) {
  if (command == "has") return seen(words);
  if (command == "visible") return std::to_string(palace_->snapshot().commit());
  if (command == "hash") return hash(palace_->snapshot());
  if (command == "hold") {
    held_ = std::make_unique<Snapshot>(palace_->snapshot());
    return hash(*held_);
  }
  if (command == "held") return hash(*held_);
  if (command == "drop") {
    held_.reset();
    return "ok";
  }
  if (command == "fresh") {
    AEON_ASSIGN(const Snapshot snapshot, palace_->fresh_snapshot());
    return std::to_string(snapshot.commit());
  }
  return fail(Errc::invalid_argument, "no such command: " + command);
}

Result<CommitNumber> PalaceServer::remember(std::string key, std::string content, PutMode mode,
                                            Durability level) {
  NewMemory memory;
  memory.key = std::move(key);
  memory.content = std::move(content);
  memory.mode = mode;
  Batch batch;
  batch.remember(std::move(memory));
  AEON_ASSIGN(const Ack ack, palace_->commit(std::move(batch), level));
  if (palace_->snapshot().commit() < ack.commit) {
    return fail(Errc::damaged, "a writer does not see its own commit");
  }
  return ack.commit;
}

Result<std::string> PalaceServer::put(std::istringstream& words, PutMode mode) {
  std::string key;
  std::string text;
  std::string level;
  words >> key >> text >> level;
  AEON_ASSIGN(const CommitNumber commit, remember(key, text, mode, level_of(level)));
  return std::to_string(commit);
}

Result<std::string> PalaceServer::seen(std::istringstream& words) {
  std::string key;
  words >> key;
  const Snapshot snapshot = palace_->snapshot();
  const auto id = snapshot.find_key("", key);
  if (!id) return "-";
  Memory memory;
  AEON_TRY(snapshot.get(*id, memory));
  return memory.content;
}

Result<std::string> PalaceServer::fill(std::istringstream& words) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  words >> count >> bytes;
  CommitNumber last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    AEON_ASSIGN(last, remember("", std::string(bytes, 'f'), PutMode::upsert, Durability::process));
  }
  return std::to_string(last);
}

Result<std::string> PalaceServer::turns(std::istringstream& words) {
  std::size_t count = 0;
  std::string level;
  words >> count >> level;
  std::string commits;
  for (std::size_t i = 0; i < count; ++i) {
    AEON_ASSIGN(const CommitNumber commit, remember("", "turn", PutMode::upsert, level_of(level)));
    commits += fmt::format("{} ", commit);
  }
  return commits;
}

Result<std::string> PalaceServer::claims(std::istringstream& words) {
  std::string name;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  words >> name >> from >> to;
  std::string got;
  for (std::uint64_t number = from; number <= to; ++number) {
    const auto commit =
        remember(fmt::format("claim-{}", number), name, PutMode::if_absent, Durability::process);
    if (commit) got += fmt::format("{} ", number);
    if (!commit && commit.error().code != Errc::key_exists) {
      return std::unexpected(commit.error());
    }
  }
  return got;
}

Result<std::string> PalaceServer::upkeep(std::istringstream& words) {
  std::size_t count = 0;
  words >> count;
  std::size_t times[2] = {};
  for (std::size_t i = 0; i < count; ++i) {
    const Status status = i % 4 == 3 ? palace_->compact() : palace_->checkpoint();
    if (!status && status.error().code != Errc::busy) return std::unexpected(status.error());
    ++times[status ? 0 : 1];
  }
  return fmt::format("{} {}", times[0], times[1]);
}

Result<std::string> PalaceServer::logs() {
  AEON_ASSIGN(const Stats stats, palace_->stats());
  return fmt::format("{} {} {}", stats.log_files, stats.segments, stats.settled);
}

Result<std::string> PalaceServer::verify() {
  AEON_ASSIGN(const VerifyReport report, palace_->verify());
  for (const Damage& damage : report.damage) {
    return fail(Errc::damaged,
                fmt::format("{} at {}: {}", damage.file, damage.offset, damage.what));
  }
  return fmt::format("{}", report.commits);
}

}  // namespace aeon::test
