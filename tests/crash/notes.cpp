#include "tests/crash/notes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace aeon::test {

NoteWriter::NoteWriter(const std::string& path)
    : file_(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)) {}

NoteWriter::~NoteWriter() {
  if (file_ >= 0) ::close(file_);
}

bool NoteWriter::say(std::string_view line) {
  return ::write(file_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

bool NoteWriter::intend(std::uint64_t number) { return say(fmt::format("i {}\n", number)); }

bool NoteWriter::acknowledge(std::uint64_t number, const Ack& ack) {
  return say(fmt::format("a {} {} {} {}\n", number, ack.commit, ack.ids.at(0),
                         static_cast<int>(ack.level)));
}

bool NoteWriter::win(std::uint64_t number) { return say(fmt::format("w {}\n", number)); }

void Notes::refresh() {
  std::ifstream in(path_, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(read_));
  const std::string added{std::istreambuf_iterator<char>(in), {}};
  std::size_t start = 0;
  // A line without its end is on its way, or its writer died at it.
  for (std::size_t end; (end = added.find('\n', start)) != std::string::npos; start = end + 1) {
    take(added.substr(start, end - start));
  }
  read_ += start;
}

void Notes::take(const std::string& line) {
  std::uint64_t number = 0;
  Acknowledged ack;
  int level = 0;
  if (std::sscanf(line.c_str(), "i %" SCNu64, &number) == 1) {
    intended_ = std::max(intended_, number);
  } else if (std::sscanf(line.c_str(), "a %" SCNu64 " %" SCNu64 " %" SCNu64 " %d", &number,
                         &ack.commit, &ack.id, &level) == 4) {
    acks_[number] = ack;
    ascending_ = ascending_ && ack.commit > last_commit_;
    last_commit_ = ack.commit;
    if (level >= static_cast<int>(Durability::process)) kept_ = std::max(kept_, number);
  } else if (std::sscanf(line.c_str(), "w %" SCNu64, &number) == 1) {
    wins_[number] = true;
  }
}

}  // namespace aeon::test
