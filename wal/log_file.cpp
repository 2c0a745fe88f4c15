#include "wal/log_file.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include <fmt/format.h>

#include "storage/codec.hpp"
#include "wal/spares.hpp"

namespace aeon::wal {

using storage::File;
using storage::file_name;
using storage::OpenMode;
using storage::Os;

std::string log_path(const std::string& directory, std::uint64_t number) {
  return fmt::format("{}/{}", directory, file_name("log", number));
}

std::uint64_t next_file_bytes(std::uint64_t bytes) noexcept {
  return std::clamp(bytes * kFileGrowth, kFirstFileBytes, kLargestFileBytes);
}

Result<OpenLog> open_log(Os& os, const LogPlace& place, std::uint64_t number, OpenMode mode) {
  const std::string path = log_path(place.directory, number);
  auto file = os.open_file(path, mode);
  if (!file) {
    if (file.error().code != Errc::not_found) return std::unexpected(std::move(file).error());
    return fail(Errc::missing_file, fmt::format("{}: the log file does not exist", path),
                file.error().os_errno);
  }
  std::array<std::byte, kHeadBytes> bytes;
  AEON_ASSIGN(const std::size_t got, (*file)->read_at(bytes, 0));
  const auto head = decode_head(std::span(bytes).first(got), path, place.palace, number);
  if (!head) {
    // A file that was retired since it was opened may have been given the head of a later log. It
    // had lost its name by then, for good.
    if (head.error().code != Errc::damaged || os.exists(path)) return std::unexpected(head.error());
    return fail(Errc::missing_file, fmt::format("{}: the log file was retired", path));
  }
  AEON_ASSIGN(const std::uint64_t size, (*file)->size());
  return OpenLog{std::move(*file), *head, std::min(size, head->file_bytes)};
}

Result<std::vector<std::uint64_t>> list_logs(Os& os, const std::string& directory) {
  AEON_ASSIGN(const auto names, os.list_directory(directory));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    if (const std::uint64_t number = storage::file_number(name, "log")) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

Status distrust_cache(Os& os, const std::string& directory, std::uint64_t first) {
  AEON_ASSIGN(const auto numbers, list_logs(os, directory));
  for (auto at = std::ranges::lower_bound(numbers, first); at != numbers.end(); ++at) {
    const auto file = os.open_file(log_path(directory, *at), OpenMode::read_write);
    if (!file && file.error().code == Errc::not_found) continue;  // retired meanwhile
    if (!file) return std::unexpected(file.error());
    AEON_TRY((*file)->sync());
    (*file)->drop_cache();
  }
  return {};
}

std::string NextLog::path() const {
  return fmt::format("{}/{}", place_.directory, file_name("next", number_));
}

Result<NextLog> NextLog::secure(Os& os, const LogPlace& place, std::uint64_t number,
                                std::uint64_t need, std::uint64_t target, Urgency urgency,
                                FileSource source) {
  NextLog next(os, place, number);
  if (os.exists(log_path(place.directory, number))) {
    return fail(Errc::already_exists,
                fmt::format("{}: exists already; catch up with the log before appending",
                            log_path(place.directory, number)));
  }
  static_cast<void>(os.unlink(next.path()));  // of a rotation that did not come to its end
  need = align_up(std::max(need, kFirstFrameOffset + kBoundary), kBoundary);
  target = align_up(std::max(need, target), kBoundary);
  AEON_TRY(next.find(need, target, urgency, source));
  return next;
}

Status NextLog::find(std::uint64_t need, std::uint64_t target, Urgency urgency, FileSource source) {
  if (source == FileSource::any) {
    // A spare far below the wanted size would only bring the next rotation closer.
    AEON_ASSIGN(const bool claimed, claim_spare(std::max(need, target / kFileGrowth), 1));
    if (claimed) return {};
  }
  Status made = make_reserve();
  if (!made && urgency == Urgency::ordinary) return made;
  made = make(target);
  const std::uint64_t least = std::max(need, std::min(target, kFirstFileBytes));
  if (!made && made.error().code == Errc::disk_full && least < target) made = make(least);
  const bool may_take_last = urgency == Urgency::reclaiming && source == FileSource::any;
  if (made || !may_take_last || made.error().code != Errc::disk_full) return made;
  AEON_ASSIGN(const bool claimed, claim_spare(need, 0));
  return claimed ? Status{} : made;
}

Status NextLog::make_reserve() {
  AEON_ASSIGN(const auto spares, list_spares(*os_, place_.directory));
  if (!spares.empty()) return {};
  AEON_ASSIGN(auto file, make_zero_filled(*os_, path(), kFirstFileBytes));
  Status done = file->sync();
  if (done) done = os_->rename(path(), free_spare_path(place_.directory, spares));
  if (!done) static_cast<void>(os_->unlink(path()));
  return done;
}

Result<bool> NextLog::claim_spare(std::uint64_t need, std::size_t leave) {
  AEON_ASSIGN(const auto spares, list_spares(*os_, place_.directory));
  if (spares.size() <= leave || spares.back().bytes < need) return false;
  const Status renamed = os_->rename(spares.back().path, path());
  if (!renamed && renamed.error().code == Errc::not_found) return false;
  AEON_TRY(renamed);
  // Its new head must not appear under its old name, where the next one would take it again.
  AEON_TRY(os_->sync_directory(place_.directory));
  auto file = os_->open_file(path(), OpenMode::read_write);
  if (!file) {
    release();
    return std::unexpected(std::move(file).error());
  }
  file_ = std::move(*file);
  AEON_ASSIGN(const std::uint64_t size, file_->size());
  bytes_ = size & ~(kBoundary - 1);
  zero_filled_ = false;
  if (bytes_ >= need) return true;
  release();  // upkeep put a smaller one in its place meanwhile
  return false;
}

Status NextLog::make(std::uint64_t bytes) {
  AEON_ASSIGN(file_, make_zero_filled(*os_, path(), bytes));
  bytes_ = bytes;
  zero_filled_ = true;
  return {};
}

Result<OpenLog> NextLog::install(LogHead head) {
  assert(file_ != nullptr && head.number == number_ && head.file_salt != 0);
  head.palace = place_.palace;
  head.file_bytes = bytes_;
  head.flags = zero_filled_ ? kHeadZeroFilled : 0;
  std::array<std::byte, storage::kPageBytes> page;
  encode_head(head, page);
  Status done = file_->write_at(page, 0);
  if (done) done = file_->sync();
  if (done) done = os_->rename(path(), log_path(place_.directory, number_));
  if (!done) {
    static_cast<void>(os_->unlink(path()));
    return std::unexpected(std::move(done).error());
  }
  return OpenLog{std::move(file_), storage::load<LogHead>(page.data()), bytes_};
}

void NextLog::release() {
  file_.reset();
  const auto spares = list_spares(*os_, place_.directory);
  if (spares) {
    static_cast<void>(os_->rename(path(), free_spare_path(place_.directory, *spares)));
  }
}

Result<LogPosition> create_log(Os& os, const LogPlace& place, std::uint64_t number,
                               std::uint64_t first_commit, std::uint64_t epoch,
                               const Hash128& chain) {
  assert(number != 0 && first_commit != 0);
  AEON_ASSIGN(NextLog next, NextLog::secure(os, place, number, 0, kFirstFileBytes,
                                            Urgency::ordinary, FileSource::any));
  LogHead head;
  head.number = number;
  head.file_salt = os.random_u64() | 1;
  head.first_commit = first_commit;
  head.epoch = epoch;
  head.chain = chain;
  head.created_ns = os.wall_time_ns();
  AEON_TRY(next.install(head));
  AEON_TRY(os.sync_directory(place.directory));
  return LogPosition{number, head.file_salt, kFirstFrameOffset, first_commit, chain};
}

}  // namespace aeon::wal
