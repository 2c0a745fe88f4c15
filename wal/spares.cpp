#include "wal/spares.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "wal/log_file.hpp"

namespace aeon::wal {

using storage::File;
using storage::file_name;
using storage::OpenMode;
using storage::Os;

namespace {

constexpr std::size_t kFillBytes = 1u << 20;

// Unlinks every `prefix`-N; returns how many there were.
Result<std::size_t> unlink_all(Os& os, const std::string& directory, std::string_view prefix) {
  AEON_ASSIGN(const auto names, os.list_directory(directory));
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (storage::file_number(name, prefix) == 0) continue;
    const Status gone = os.unlink(fmt::format("{}/{}", directory, name));
    if (!gone && gone.error().code != Errc::not_found) return std::unexpected(gone.error());
    ++count;
  }
  return count;
}

// Where a retired log file of that size may go as a spare; empty for nowhere.
Result<std::string> spare_slot(Os& os, const std::string& directory, std::uint64_t bytes) {
  if (bytes < kFirstFileBytes || bytes > kLargestFileBytes) return std::string();
  AEON_ASSIGN(const auto spares, list_spares(os, directory));
  if (spares.size() < kSparesKept) return free_spare_path(directory, spares);
  if (spares.front().bytes < bytes) return spares.front().path;  // replaces the smaller one
  return std::string();
}

}  // namespace

std::string spare_path(const std::string& directory, std::uint64_t number) {
  return fmt::format("{}/{}", directory, file_name("spare", number));
}

std::string free_spare_path(const std::string& directory, const std::vector<Spare>& spares) {
  std::uint64_t number = 1;
  for (const Spare& spare : spares) number = std::max(number, spare.number + 1);
  return spare_path(directory, number);
}

Result<std::vector<Spare>> list_spares(Os& os, const std::string& directory) {
  AEON_ASSIGN(const auto names, os.list_directory(directory));
  std::vector<Spare> spares;
  for (const std::string& name : names) {
    const std::uint64_t number = storage::file_number(name, "spare");
    if (number == 0) continue;
    Spare spare{spare_path(directory, number), number, 0};
    auto file = os.open_file(spare.path, OpenMode::read);
    if (!file && file.error().code == Errc::not_found) continue;  // claimed meanwhile
    if (!file) return std::unexpected(std::move(file).error());
    AEON_ASSIGN(spare.bytes, (*file)->size());
    spares.push_back(std::move(spare));
  }
  std::ranges::sort(spares, {}, &Spare::bytes);
  return spares;
}

Result<std::unique_ptr<File>> make_zero_filled(Os& os, const std::string& path,
                                               std::uint64_t bytes) {
  AEON_ASSIGN(auto file, os.open_file(path, OpenMode::create));
  for (std::uint64_t at = 0; at < bytes; at += kFillBytes) {
    const std::uint64_t count = std::min<std::uint64_t>(kFillBytes, bytes - at);
    Status written = file->write_zeros(count, at);
    if (written) {
      // Piece by piece: the device stays free for the syncs of commits.
      file->begin_sync(at, count);
      continue;
    }
    file.reset();
    static_cast<void>(os.unlink(path));
    return std::unexpected(std::move(written).error());
  }
  return file;
}

Status retire_log(Os& os, const std::string& directory, std::uint64_t number, bool recyclable) {
  const std::string path = log_path(directory, number);
  auto file = os.open_file(path, OpenMode::read);
  if (!file && file.error().code == Errc::not_found) return {};
  if (!file) return std::unexpected(std::move(file).error());
  AEON_ASSIGN(const std::uint64_t bytes, (*file)->size());
  std::string slot;
  if (recyclable) {
    AEON_ASSIGN(slot, spare_slot(os, directory, bytes));
  }
  if (slot.empty()) {
    AEON_TRY(os.unlink(path));
  } else {
    AEON_TRY(os.rename(path, slot));
  }
  // Before anyone writes a new head into it, the file must have lost its old name for good.
  return os.sync_directory(directory);
}

Status prepare_spare(Os& os, const std::string& directory, std::uint64_t bytes) {
  AEON_TRY(remove_unfinished_spare(os, directory));
  AEON_ASSIGN(const auto spares, list_spares(os, directory));
  if (spares.size() >= kSparesKept && spares.back().bytes >= bytes) return {};
  const std::string path = fmt::format("{}/{}", directory, file_name("fill", 1));
  AEON_ASSIGN(auto file, make_zero_filled(os, path, align_up(bytes, kBoundary)));
  Status done = file->sync();
  // Two at most: the smallest gives way when both places are taken.
  if (done) {
    done = os.rename(path, spares.size() >= kSparesKept ? spares.front().path
                                                        : free_spare_path(directory, spares));
  }
  if (!done) {
    static_cast<void>(os.unlink(path));
    return done;
  }
  return os.sync_directory(directory);
}

Status discard_spares(Os& os, const std::string& directory) {
  AEON_ASSIGN(const std::size_t spares, unlink_all(os, directory, "spare"));
  AEON_ASSIGN(const std::size_t fills, unlink_all(os, directory, "fill"));
  return spares + fills == 0 ? Status{} : os.sync_directory(directory);
}

Status remove_leftovers(Os& os, const std::string& directory) {
  AEON_TRY(unlink_all(os, directory, "next"));
  return {};
}

Status remove_unfinished_spare(Os& os, const std::string& directory) {
  AEON_TRY(unlink_all(os, directory, "fill"));
  return {};
}

}  // namespace aeon::wal
