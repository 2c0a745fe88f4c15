#include "api/cli/files.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "api/cli/interrupt.hpp"

namespace aeon::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 256U << 10;

std::unexpected<Error> os_failure(std::string_view doing, std::string_view name) {
  return std::unexpected(os_error(errno, fmt::format("cannot {} {}", doing, name)));
}

Result<int> open_to_read(const std::string& path) {
  if (path == "-") return STDIN_FILENO;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return os_failure("read", path);
  return descriptor;
}

std::string shown(const std::string& path) { return path == "-" ? "standard input" : path; }

bool is_text_name(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".md" || ending == ".txt" || ending == ".jsonl";
}

void list_folder(const fs::path& folder, std::vector<TextFile>& files,
                 std::vector<std::string>& unreadable) {
  std::error_code code;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator i(folder, code), end; !code && i != end; i.increment(code)) {
    entries.push_back(*i);
  }
  if (code) unreadable.push_back(folder.string());
  std::ranges::sort(entries, {}, [](const auto& entry) { return entry.path().native(); });
  for (const fs::directory_entry& entry : entries) {
    if (entry.is_directory(code) && !entry.is_symlink(code)) {
      list_folder(entry.path(), files, unreadable);
    } else if (entry.is_regular_file(code) && is_text_name(entry.path())) {
      files.push_back({entry.path().string(), {}});
    }
  }
}

}  // namespace

LineReader::LineReader(int descriptor, std::string name)
    : descriptor_(descriptor), name_(std::move(name)) {}

LineReader::LineReader(LineReader&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      start_(other.start_),
      scanned_(other.scanned_),
      number_(other.number_),
      ended_(other.ended_) {}

LineReader::~LineReader() {
  if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
}

Result<LineReader> LineReader::open(const std::string& path) {
  AEON_ASSIGN(const int descriptor, open_to_read(path));
  return LineReader(descriptor, shown(path));
}

// Reads one more block behind what is there; false at the end.
Result<bool> LineReader::fill() {
  if (start_ > 0) {
    buffer_.erase(0, start_);
    scanned_ -= start_;
    start_ = 0;
  }
  const std::size_t held = buffer_.size();
  buffer_.resize(held + kBlock);
  ssize_t got = 0;
  do {
    got = interrupted() ? 0 : ::read(descriptor_, buffer_.data() + held, kBlock);
  } while (got < 0 && errno == EINTR);
  const int code = errno;
  buffer_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) {
    errno = code;
    return os_failure("read", name_);
  }
  if (interrupted()) {  // half a line must not be taken for one
    buffer_.clear();
    scanned_ = 0;
  }
  if (got == 0) ended_ = true;
  return got > 0;
}

Result<bool> LineReader::next(std::string_view& line) {
  bool too_long = false;
  while (true) {
    if (interrupted()) return false;
    const std::size_t end = buffer_.find('\n', scanned_);
    const bool last = end == std::string::npos && ended_;
    if (last && start_ == buffer_.size() && !too_long) return false;
    if (end != std::string::npos || last) {
      line = std::string_view(buffer_).substr(start_, last ? std::string::npos : end - start_);
      start_ = scanned_ = last ? buffer_.size() : end + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++number_;
      if (!too_long) return true;
      return fail(Errc::too_large,
                  fmt::format("the line is longer than {} MiB; split it", kMaxLine >> 20));
    }
    scanned_ = buffer_.size();
    if (buffer_.size() - start_ > kMaxLine) {
      too_long = true;
      start_ = scanned_;
    }
    AEON_TRY(fill());
  }
}

bool LineReader::ready() const {
  if (ended_ || buffer_.find('\n', start_) != std::string::npos) return true;
  pollfd wait{descriptor_, POLLIN, 0};
  return ::poll(&wait, 1, 0) > 0;
}

std::string LineReader::place() const { return fmt::format("line {} of {}", number_, name_); }

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  AEON_ASSIGN(const int descriptor, open_to_read(path));
  std::string text;
  std::array<char, 1U << 16> block{};
  ssize_t got = 0;
  do {
    got = ::read(descriptor, block.data(), block.size());
    if (got > 0) text.append(block.data(), static_cast<std::size_t>(got));
  } while ((got > 0 && text.size() <= limit) || (got < 0 && errno == EINTR && !interrupted()));
  const int code = errno;
  if (descriptor > STDERR_FILENO) ::close(descriptor);
  errno = code;
  if (got < 0) return os_failure("read", shown(path));
  if (text.size() > limit) {
    return fail(Errc::too_large,
                fmt::format("{} is larger than {} bytes; split it", shown(path), limit));
  }
  return text;
}

Status write_new_file(const std::string& path, std::string_view text) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return os_failure("create", path);
  Status status;
  while (!text.empty() && status) {
    const ssize_t put = ::write(descriptor, text.data(), text.size());
    if (put >= 0) {
      text.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno != EINTR) {
      status = os_failure("write", path);
    }
  }
  if (::close(descriptor) != 0 && status) status = os_failure("write", path);
  return status;
}

Result<std::vector<TextFile>> find_text_files(const std::vector<std::string>& paths,
                                              std::vector<std::string>& unreadable) {
  std::vector<TextFile> files;
  for (const std::string& path : paths) {
    std::error_code code;
    const fs::file_status status = fs::status(path, code);
    if (!fs::exists(status)) {
      return fail(Errc::not_found,
                  fmt::format("there is no file or folder {}; check the path", path));
    }
    const std::size_t first = files.size();
    if (fs::is_directory(status)) {
      list_folder(path, files, unreadable);
    } else {
      files.push_back({path, {}});
    }
    for (std::size_t i = first; i < files.size(); ++i) {
      files[i].name = fs::path(files[i].path).lexically_normal().generic_string();
    }
  }
  return files;
}

}  // namespace aeon::cli
