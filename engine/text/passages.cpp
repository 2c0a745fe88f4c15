#include "engine/text/passages.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include <fmt/format.h>

#include "engine/text/utf8.hpp"

namespace aeon::engine {
namespace {

// How good a place is for a cut; the highest wins, then the latest.
enum class CutRank : std::uint8_t { none, space, line, best };

bool is_closer(char c) noexcept { return c == '"' || c == '\'' || c == ')' || c == ']'; }

// "J", "Dr", "Mrs": a capital and at most two more characters, right before `at`.
bool ends_in_short_name(std::string_view text, std::size_t at) noexcept {
  std::size_t begin = at;
  while (begin > 0 && at - begin < 4 && !is_space(text[begin - 1])) --begin;
  return at - begin < 4 && begin < at && text[begin] >= 'A' && text[begin] <= 'Z';
}

// Whether a sentence ends right before `at`, which is white space or, after full-width marks, any
// character. "J. Smith" and "e.g. this" are no ends.
bool ends_sentence(std::string_view text, std::size_t at) noexcept {
  if (at >= 3) {
    const std::string_view mark = text.substr(at - 3, 3);
    if (mark == "\u3002" || mark == "\uff01" || mark == "\uff1f") return true;
  }
  if (!is_space(text[at])) return false;
  std::size_t mark = at;
  while (mark > 0 && at - mark < 4 && is_closer(text[mark - 1])) --mark;
  if (mark < 2) return false;
  const char c = text[mark - 1];
  if (c == '!' || c == '?') return true;
  if (c != '.' || ends_in_short_name(text, mark - 1)) return false;
  std::size_t next = at;
  while (next < text.size() && next - at < 8 && is_space(text[next])) ++next;
  return next == text.size() || text[next] < 'a' || text[next] > 'z';
}

bool is_line_break(char c) noexcept { return c == '\n' || c == '\r'; }

CutRank rank_of_cut(std::string_view text, std::size_t at, BlockKind kind) noexcept {
  if (kind == BlockKind::paragraph && ends_sentence(text, at)) return CutRank::best;
  if (is_line_break(text[at])) {
    if (kind != BlockKind::list || at + 2 > text.size()) return CutRank::line;
    const std::size_t below = at + (text.substr(at, 2) == "\r\n" ? 2 : 1);
    return starts_item(text.substr(below, 64)) ? CutRank::best : CutRank::line;
  }
  return is_space(text[at]) ? CutRank::space : CutRank::none;
}

// Where to cut text[begin, end), which is too long for one passage: the best place that leaves
// kPassageLeast bytes before it and, where that can be, behind it.
std::size_t find_cut(std::string_view text, std::size_t begin, std::size_t end, BlockKind kind) {
  const std::size_t latest = begin + std::min(kPassageMost, end - begin - kPassageLeast);
  std::size_t cut = 0;
  CutRank rank = CutRank::none;
  for (std::size_t at = latest; at > begin + kPassageLeast && rank != CutRank::best; --at) {
    const CutRank found = rank_of_cut(text, at, kind);
    if (found > rank) {
      rank = found;
      cut = at;
    }
  }
  if (rank != CutRank::none) return cut;
  cut = latest;
  while (is_utf8_continuation(text[cut])) --cut;
  return cut;
}

class Packer {
 public:
  explicit Packer(std::string_view document) : document_(document) {}

  std::vector<Passage> pack(const std::vector<Block>& blocks) {
    for (const Block& block : blocks) {
      if (block.kind == BlockKind::heading) {
        take_heading(block);
      } else {
        if (!headings_.empty() && headings_.back().block.over_indented && !block.indented) {
          flush();
          leave(headings_.back().block.level);
        }
        take_text(block);
      }
    }
    flush();
    leave(0);
    return std::move(passages_);
  }

 private:
  struct Heading {
    Block block;
    bool used;  // in some passage's title
  };

  void take_heading(const Block& block) {
    flush();
    leave(block.level);
    if (!headings_.empty()) headings_.back().used = true;
    headings_.push_back({block, false});
  }

  // Closes the headings of `level` and below. One without text becomes a passage; it is the
  // innermost, since the others are in its title.
  void leave(std::size_t level) {
    while (!headings_.empty() && headings_.back().block.level >= level) {
      const Heading last = headings_.back();
      headings_.pop_back();
      if (!last.used) emit(last.block.begin, last.block.end);
    }
  }

  void take_text(const Block& block) {
    const bool whole = block.kind == BlockKind::code;
    std::size_t begin = block.begin;
    while (block.end - begin > (whole && begin == block.begin ? kPassageLimit : kPassageMost)) {
      const std::size_t cut = find_cut(document_, begin, block.end, block.kind);
      join(begin, cut, false);
      begin = skip_space(cut, block.end);
    }
    if (begin < block.end) join(begin, block.end, whole);
  }

  // Over white space, but back to the start of the last line, whose indentation is kept.
  [[nodiscard]] std::size_t skip_space(std::size_t at, std::size_t end) const {
    std::size_t text = at;
    while (text < end && is_space(document_[text])) ++text;
    std::size_t line = text;
    while (line > at && text - line <= kKeptIndent && !is_line_break(document_[line - 1])) --line;
    return line > at && text - line <= kKeptIndent ? line : text;
  }

  void join(std::size_t begin, std::size_t end, bool whole) {
    const std::size_t had = end_ - begin_;
    const std::size_t joined = end - begin_;
    const bool small = had < kPassageLeast || end - begin < kPassageLeast;
    const std::size_t most = whole && had < kPassageLeast ? kPassageLimit
                             : small                      ? kPassageMost
                                                          : kPassageGoal;
    if (had > 0 && joined > most) flush();
    if (end_ == begin_) begin_ = begin;
    end_ = end;
  }

  void flush() {
    if (end_ > begin_) {
      emit(begin_, end_);
      if (!headings_.empty()) headings_.back().used = true;
    }
    begin_ = end_ = 0;
  }

  void emit(std::size_t begin, std::size_t end) {
    while (end > begin && is_space(document_[end - 1])) --end;
    assert(end > begin && end - begin <= kPassageLimit);
    Passage passage{.title = title(), .text = {}, .offset = begin};
    passage.text.reserve(end - begin);
    for (std::size_t at = begin; at < end; ++at) {
      const char c = document_[at];
      if (c == '\r' && at + 1 < end && document_[at + 1] == '\n') continue;
      passage.text.push_back(c == '\r' ? '\n' : c);
    }
    passages_.push_back(std::move(passage));
  }

  [[nodiscard]] std::string title() const {
    std::string path;
    for (const Heading& heading : headings_) {
      if (!path.empty()) path += " > ";
      path += document_.substr(heading.block.begin, heading.block.end - heading.block.begin);
    }
    return path;
  }

  std::string_view document_;
  std::vector<Heading> headings_;  // open, outermost first
  std::vector<Passage> passages_;
  std::size_t begin_ = 0;  // of the passage under way; equal to end_ when there is none
  std::size_t end_ = 0;
};

}  // namespace

Result<std::vector<Passage>> split_passages(std::string_view document, DocumentFormat format) {
  if (const std::size_t at = document.find('\0'); at != document.npos) {
    const bool wide = document.starts_with("\xff\xfe") || document.starts_with("\xfe\xff");
    return fail(Errc::invalid_argument,
                fmt::format("document: a NUL byte at offset {}: {}", at,
                            wide ? "this is UTF-16, convert it to UTF-8 first"
                                 : "this is binary, pass text"));
  }
  if (const std::size_t at = find_invalid_utf8(document); at != kValidUtf8) {
    return fail(Errc::invalid_utf8,
                fmt::format("document: the byte 0x{:02x} at offset {} is not UTF-8; convert the "
                            "file to UTF-8 first",
                            static_cast<std::uint8_t>(document[at]), at));
  }
  return Packer(document).pack(find_blocks(document, format));
}

DocumentFormat document_format_of(std::string_view file_name) noexcept {
  constexpr auto kEndings = std::to_array<std::string_view>({".md", ".markdown", ".mdx"});
  for (const std::string_view ending : kEndings) {
    if (file_name.size() < ending.size()) continue;
    const std::string_view tail = file_name.substr(file_name.size() - ending.size());
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; };
    if (std::ranges::equal(tail, ending, {}, lower)) return DocumentFormat::markdown;
  }
  return DocumentFormat::plain;
}

}  // namespace aeon::engine
