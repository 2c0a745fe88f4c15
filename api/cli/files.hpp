// The files that users name on the command line: the only place of the tool that opens them.
// What belongs to a palace goes through storage/ instead.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "storage/result.hpp"

namespace aeon::cli {

// Reads a file, or standard input for "-", line by line with bounded memory.
class LineReader {
 public:
  static constexpr std::size_t kMaxLine = 16U << 20;

  // Errors: not_found, no_permission, io_error.
  [[nodiscard]] static Result<LineReader> open(const std::string& path);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  ~LineReader();

  // The next line without its end; false at the end of the input or after an interrupt. The view
  // lives until the next call. Errors: too_large (the line is skipped, reading may go on),
  // io_error.
  [[nodiscard]] Result<bool> next(std::string_view& line);
  // Whether next() would answer without waiting for more input.
  [[nodiscard]] bool ready() const;
  // Of the line that next() gave last, from 1.
  [[nodiscard]] std::size_t number() const noexcept { return number_; }
  // "line 7 of FILE"
  [[nodiscard]] std::string place() const;

 private:
  LineReader(int descriptor, std::string name);
  Result<bool> fill();

  int descriptor_;
  std::string name_;
  std::string buffer_;
  std::size_t start_ = 0;    // of the next line in buffer_
  std::size_t scanned_ = 0;  // no line end before this place
  std::size_t number_ = 0;
  bool ended_ = false;
};

// The whole file, or standard input for "-". Errors: too_large, not_found, no_permission, io_error.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit);
// Errors: already_exists (nothing is overwritten), disk_full, no_permission, io_error.
[[nodiscard]] Status write_new_file(const std::string& path, std::string_view text);

// A text file found below a path that the user named.
struct TextFile {
  std::string path;
  std::string name;  // the path as the user named it, without "./" and the like: the same at
                     // every put of the same argument
};

// Files with the endings .md, .txt and .jsonl below each path, sorted; a path that is a file is
// taken whatever its ending. Links to folders are not followed. What cannot be listed is added to
// `unreadable`. Errors: not_found (a named path).
[[nodiscard]] Result<std::vector<TextFile>> find_text_files(const std::vector<std::string>& paths,
                                                            std::vector<std::string>& unreadable);

}  // namespace aeon::cli
