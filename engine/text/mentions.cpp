#include "engine/text/mentions.hpp"

#include <algorithm>
#include <array>

#include <utf8proc.h>

#include "engine/text/frequent_words.hpp"
#include "engine/text/words.hpp"

namespace aeon::engine {

namespace {

constexpr std::array<std::string_view, 14> kParticles = {
    "of", "de", "van", "von", "la", "le", "du", "del", "della", "di", "da", "der", "den", "ten"};
// What a full stop may follow inside a name.
constexpr std::array<std::string_view, 10> kTitles = {"Dr", "Mr", "Mrs", "Ms", "Prof",
                                                      "St", "Mt", "Ft",  "Jr", "Sr"};

enum class Form : std::uint8_t { small, capital, number };

struct Token {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t letters = 0;
  Form form = Form::small;
  bool starts_sentence = false;
};

struct Character {
  utf8proc_category_t category;
  std::size_t bytes;
};

Character character_at(std::string_view text, std::size_t at) noexcept {
  std::int32_t point = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                      static_cast<utf8proc_ssize_t>(text.size() - at), &point);
  if (bytes <= 0) return {UTF8PROC_CATEGORY_CN, 1};
  return {utf8proc_category(point), static_cast<std::size_t>(bytes)};
}

bool is_word(utf8proc_category_t category) noexcept {
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

// Bytes of a hyphen or apostrophe, which belongs to a word between two letters; 0 for all else.
std::size_t inner_mark(std::string_view rest) noexcept {
  if (rest.starts_with('-') || rest.starts_with('\'')) return 1;
  return rest.starts_with("\xe2\x80\x99") || rest.starts_with("\xe2\x80\x90") ? 3 : 0;
}

bool ends_sentence(std::string_view gap) noexcept {
  return gap.find_first_of(".!?\n\r:;") != std::string_view::npos;
}

class Cutter {
 public:
  explicit Cutter(std::string_view text) : text_(text) {}

  // The next word; false at the end.
  bool next(Token& token) {
    std::size_t begin = at_;
    Character character{};
    for (; begin < text_.size(); begin += character.bytes) {
      character = character_at(text_, begin);
      if (is_word(character.category)) break;
    }
    if (begin >= text_.size()) return false;
    token = {.begin = begin, .end = begin};
    token.starts_sentence = at_ == 0 || ends_sentence(text_.substr(at_, begin - at_));
    const auto category = character.category;
    if (category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT) {
      token.form = Form::capital;
    } else if (category >= UTF8PROC_CATEGORY_ND) {
      token.form = Form::number;
    }
    for (std::size_t at = begin; at < text_.size();) {
      const Character here = character_at(text_, at);
      if (is_word(here.category)) {
        at += here.bytes;
        token.end = at;
        ++token.letters;
        continue;
      }
      const std::size_t mark = inner_mark(text_.substr(at));
      if (mark == 0 || at != token.end) break;
      at += mark;
    }
    at_ = token.end;
    return true;
  }

 private:
  const std::string_view text_;
  std::size_t at_ = 0;
};

std::string_view without_possessive(std::string_view name) noexcept {
  for (const std::string_view end : {"'s", "\xe2\x80\x99s", "'S", "\xe2\x80\x99S"}) {
    if (name.ends_with(end)) return name.substr(0, name.size() - end.size());
  }
  return name;
}

WordRank rank_of(std::string_view word) {
  thread_local CaseFolder folder;
  thread_local std::string folded;
  folder.fold(word, folded);
  return rank_of_word(folded);
}

class Finder {
 public:
  Finder(std::string_view text, std::vector<std::string_view>& mentions)
      : text_(text), mentions_(mentions), cutter_(text) {}

  void run() {
    fill(0);
    while (count_ > 0) {
      if (tokens_[0].form != Form::capital) {
        drop(1);
        continue;
      }
      begin_run();
      while (const std::size_t taken = continuation()) {
        for (std::size_t i = 1; i <= taken; ++i) add(tokens_[i]);
        drop(taken);
      }
      finish_run();
      drop(1);
    }
  }

 private:
  // The last word of the run so far and up to three behind it.
  void fill(std::size_t from) {
    count_ = from;
    while (count_ < tokens_.size() && cutter_.next(tokens_[count_])) ++count_;
  }
  void drop(std::size_t taken) {
    std::move(tokens_.begin() + static_cast<std::ptrdiff_t>(taken),
              tokens_.begin() + static_cast<std::ptrdiff_t>(count_), tokens_.begin());
    fill(count_ - taken);
  }
  [[nodiscard]] std::string_view word(const Token& token) const noexcept {
    return text_.substr(token.begin, token.end - token.begin);
  }
  [[nodiscard]] std::string_view gap(std::size_t i) const noexcept {
    return text_.substr(tokens_[i].end, tokens_[i + 1].begin - tokens_[i].end);
  }
  [[nodiscard]] bool is_plain_gap(std::size_t i) const noexcept {
    return gap(i).find_first_not_of(' ') == std::string_view::npos;
  }
  [[nodiscard]] bool is_capital(std::size_t i) const noexcept {
    return i < count_ && tokens_[i].form == Form::capital;
  }

  // How many of the words behind the run's last one belong to it.
  [[nodiscard]] std::size_t continuation() const {
    if (count_ < 2) return 0;
    const Token& next = tokens_[1];
    if (next.form != Form::small) return joins(next) ? 1 : 0;
    if (!is_plain_gap(0) || std::ranges::find(kParticles, word(next)) == kParticles.end()) return 0;
    if (count_ < 3 || !is_plain_gap(1)) return 0;
    if (is_capital(2)) return 2;
    const bool of_the = word(next) == "of" && word(tokens_[2]) == "the";
    return of_the && is_capital(3) && is_plain_gap(2) ? 3 : 0;
  }

  [[nodiscard]] bool joins(const Token& next) const {
    const std::string_view between = gap(0);
    if (between.find_first_not_of(" &") == std::string_view::npos) return true;
    if (next.form != Form::capital || (between != ". " && between != ".")) return false;
    const bool initial = tokens_[0].form == Form::capital && tokens_[0].letters == 1;
    const bool title = std::ranges::find(kTitles, word(tokens_[0])) != kTitles.end();
    return (initial || title) && rank_of(word(next)) != WordRank::function;
  }

  void begin_run() {
    words_ = 0;
    leading_ = true;
    add(tokens_[0]);
  }

  void add(const Token& token) {
    if (leading_ && token.form != Form::number &&
        rank_of(without_possessive(word(token))) == WordRank::function) {
      return;
    }
    // Behind a function word that is left out a particle or a number starts no name either.
    if (leading_ && token.form != Form::capital) return;
    if (leading_) first_ = token;
    leading_ = false;
    last_ = token;
    ++words_;
  }

  void finish_run() {
    if (words_ == 0 || words_ > kMostNameWords) return;
    const std::string_view name =
        without_possessive(text_.substr(first_.begin, last_.end - first_.begin));
    if (words_ == 1) {
      if (first_.letters == 1) return;
      if (first_.starts_sentence && rank_of(name) != WordRank::other) return;
    }
    mentions_.push_back(name);
  }

  const std::string_view text_;
  std::vector<std::string_view>& mentions_;
  Cutter cutter_;
  std::array<Token, 4> tokens_{};
  std::size_t count_ = 0;
  Token first_;
  Token last_;
  std::size_t words_ = 0;
  bool leading_ = true;
};

}  // namespace

void find_mentions(std::string_view text, std::vector<std::string_view>& mentions) {
  Finder(text, mentions).run();
}

std::string_view without_brackets(std::string_view title) noexcept {
  const std::size_t open = title.ends_with(')') ? title.rfind('(') : std::string_view::npos;
  if (open == std::string_view::npos || open == 0) return title;
  const std::size_t last = title.find_last_not_of(' ', open - 1);
  return last == std::string_view::npos ? title : title.substr(0, last + 1);
}

void fold_name(std::string_view name, std::string& folded) {
  thread_local WordAnalyzer analyzer;
  thread_local WordList list;
  list.clear();
  folded.clear();
  analyzer.analyse(name, Language::none, list);
  for (const WordList::Word& word : list.words) {
    if (!word.whole || word.single) continue;
    if (!folded.empty()) folded.push_back(' ');
    folded.append(list.term(word));
  }
}

}  // namespace aeon::engine
