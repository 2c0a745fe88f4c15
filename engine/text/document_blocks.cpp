#include "engine/text/document_blocks.hpp"

#include <algorithm>
#include <optional>

namespace aeon::engine {
namespace {

constexpr std::size_t kFrontMatterLimit = 4096;  // bytes

struct Line {
  std::size_t begin = 0;
  std::size_t end = 0;     // before the line break
  std::size_t next = 0;    // after it
  std::size_t indent = 0;  // bytes of white space in front
  [[nodiscard]] bool blank() const noexcept { return begin + indent == end; }
};

// Lines end in LF, CR LF or a lone CR.
Line line_at(std::string_view text, std::size_t at) noexcept {
  Line line{.begin = at};
  line.end = std::min(text.find_first_of("\r\n", at), text.size());
  line.next = std::min(line.end + 1, text.size());
  if (text.substr(line.end, 2) == "\r\n") line.next = line.end + 2;
  while (at + line.indent < line.end && is_space(text[at + line.indent])) ++line.indent;
  return line;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

std::size_t run_length(std::string_view text, char c) noexcept {
  return std::min(text.find_first_not_of(c), text.size());
}

// Capitals and no small letter, ASCII: "SEE ALSO".
bool is_all_capitals(std::string_view text) noexcept {
  const auto capitals = std::ranges::count_if(text, [](char c) { return c >= 'A' && c <= 'Z'; });
  return capitals >= 2 && std::ranges::none_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

class BlockFinder {
 public:
  BlockFinder(std::string_view text, DocumentFormat format) : text_(text), format_(format) {}

  std::vector<Block> find() {
    std::size_t at = text_.starts_with("\xef\xbb\xbf") ? 3 : 0;  // a byte order mark is no text
    if (format_ == DocumentFormat::markdown) at = take_front_matter(at);
    while (at < text_.size()) {
      const Line line = line_at(text_, at);
      take(line);
      at = line.next;
    }
    close();
    return std::move(blocks_);
  }

 private:
  [[nodiscard]] std::string_view content(const Line& line) const {
    return trimmed(text_.substr(line.begin, line.end - line.begin));
  }

  void take(const Line& line) {
    const std::string_view content = this->content(line);
    if (fence_length_ > 0) return take_fenced(line, content);
    if (content.empty()) return take_blank();
    if (take_underline(line, content)) return;
    if (format_ == DocumentFormat::markdown ? take_markdown(line, content) : take_title(line)) {
      return;
    }
    if (starts_item(content) && format_ == DocumentFormat::markdown) {
      if (!open_ || open_->kind != BlockKind::list) start(BlockKind::list, line);
    } else if (open_ && open_->kind == BlockKind::list && after_blank_ && line.indent < 2) {
      start(BlockKind::paragraph, line);  // the list ended at the blank line
    } else if (!open_) {
      start(kind_of(content), line);
    }
    extend(line);
  }

  [[nodiscard]] BlockKind kind_of(std::string_view content) const {
    if (starts_item(content)) return BlockKind::list;
    return content.starts_with('|') ? BlockKind::rows : BlockKind::paragraph;
  }

  void take_fenced(const Line& line, std::string_view content) {
    if (!content.empty()) extend(line);
    const std::size_t run = run_length(content, fence_);
    if (run >= fence_length_ && run == content.size()) {
      fence_length_ = 0;
      close();
    }
  }

  // A blank line ends all but a Markdown list, whose items may stand apart.
  void take_blank() {
    after_blank_ = true;
    if (open_ && (open_->kind != BlockKind::list || format_ == DocumentFormat::plain)) close();
  }

  bool take_markdown(const Line& line, std::string_view content) {
    for (const char fence : {'`', '~'}) {
      const std::size_t run = run_length(content, fence);
      if (run < 3 || (fence == '`' && content.find('`', run) != content.npos)) continue;
      start(BlockKind::code, line);
      extend(line);
      fence_ = fence;
      fence_length_ = run;
      return true;
    }
    const std::size_t level = run_length(content, '#');
    if (level == 0 || level > 6 || line.indent > 3) return false;
    if (level < content.size() && !is_space(content[level])) return false;
    std::string_view heading = trimmed(content.substr(level));
    const std::size_t closing = heading.find_last_not_of('#') + 1;
    if (closing == 0 || is_space(heading[closing - 1]))
      heading = trimmed(heading.substr(0, closing));
    if (heading.empty() || heading.size() > kLongestHeading) return false;
    close();
    add_heading(heading, level, false);
    return true;
  }

  // "=====" or "-----" right below a single line makes that line a heading.
  bool take_underline(const Line& line, std::string_view content) {
    if (!open_ || open_->kind != BlockKind::paragraph || after_blank_ || line.indent > 3)
      return false;
    if (open_lines_ != 1 || open_->indented) return false;
    const char mark = content.front();
    const std::size_t levels = std::string_view("=-~").find(mark);
    if (levels == std::string_view::npos || run_length(content, mark) != content.size())
      return false;
    if (format_ == DocumentFormat::markdown ? mark == '~' : content.size() < 3) return false;
    const std::string_view heading = text_.substr(open_->begin, open_->end - open_->begin);
    if (heading.size() > kLongestHeading) return false;
    open_.reset();
    add_heading(heading, levels + 1, false);
    return true;
  }

  // Plain text: a line at the margin over indented text is its title, when a blank line lies
  // between or it is all capitals.
  bool take_title(const Line& line) {
    if (open_ || line.indent > 0 || line.end - line.begin > kLongestHeading) return false;
    const std::string_view title = content(line);
    if (starts_item(title)) return false;
    Line below = line_at(text_, line.next);
    const bool gap = below.blank();
    while (below.blank() && below.next < text_.size()) below = line_at(text_, below.next);
    if (below.blank() || below.indent == 0) return false;
    if (!(gap ? below.indent >= 2 || text_[below.begin] == '\t' : is_all_capitals(title))) {
      return false;
    }
    add_heading(title, 1, true);
    return true;
  }

  // "---", a few lines, "---" at the very start.
  std::size_t take_front_matter(std::size_t at) {
    const Line first = line_at(text_, at);
    if (content(first) != "---") return at;
    for (Line line = first; line.next < text_.size() && line.next < kFrontMatterLimit;) {
      line = line_at(text_, line.next);
      if (line.blank() || line.end > kFrontMatterLimit) return at;
      if (content(line) != "---" && content(line) != "...") continue;
      start(BlockKind::code, first);
      extend(line);
      close();
      return line.next;
    }
    return at;
  }

  void start(BlockKind kind, const Line& line) {
    close();
    const std::size_t kept = line.indent <= kKeptIndent ? 0 : line.indent;
    open_ = Block{.kind = kind, .indented = line.indent > 0, .begin = line.begin + kept};
  }

  void extend(const Line& line) {
    open_->end = line.begin + line.indent + content(line).size();
    ++open_lines_;
    after_blank_ = false;
  }

  void close() {
    if (open_) blocks_.push_back(*open_);
    open_.reset();
    open_lines_ = 0;
  }

  void add_heading(std::string_view heading, std::size_t level, bool over_indented) {
    const auto begin = static_cast<std::size_t>(heading.data() - text_.data());
    blocks_.push_back({.kind = BlockKind::heading,
                       .level = static_cast<std::uint8_t>(level),
                       .over_indented = over_indented,
                       .begin = begin,
                       .end = begin + heading.size()});
    open_lines_ = 0;
  }

  std::string_view text_;
  DocumentFormat format_;
  std::vector<Block> blocks_;
  std::optional<Block> open_;
  std::size_t open_lines_ = 0;
  bool after_blank_ = false;
  char fence_ = 0;
  std::size_t fence_length_ = 0;  // 0 outside fenced code
};

}  // namespace

bool starts_item(std::string_view line) noexcept {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  std::size_t mark = 0;
  while (mark < line.size() && mark < 9 && line[mark] >= '0' && line[mark] <= '9') ++mark;
  const std::string_view ends = mark == 0 ? "-*+" : ".)";
  if (mark >= line.size() || ends.find(line[mark]) == std::string_view::npos) return false;
  return mark + 1 < line.size() && is_space(line[mark + 1]);
}

std::vector<Block> find_blocks(std::string_view document, DocumentFormat format) {
  return BlockFinder(document, format).find();
}

}  // namespace aeon::engine
