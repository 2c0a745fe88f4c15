#include "engine/words/word_query.hpp"

#include <algorithm>

#include "engine/text/frequent_words.hpp"

namespace aeon::engine {

namespace {

constexpr bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
// What may follow a '-' that excludes: not a digit, so that "-5" is a number.
constexpr bool may_be_excluded(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '"' || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

struct ParseScratch {
  WordAnalyzer analyzer;
  WordList list;
  std::vector<std::uint8_t> function;  // by word of a chunk
  std::vector<WordQuery::Range> kept;  // function words met
};

class Parser {
 public:
  Parser(WordQuery& out, ParseScratch& scratch)
      : out_(out),
        analyzer_(scratch.analyzer),
        list_(scratch.list),
        function_(scratch.function),
        kept_(scratch.kept) {
    kept_.clear();
  }

  void run(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size() && out_.clauses.size() < kMostClauses) {
      if (is_space(text[at])) {
        ++at;
        continue;
      }
      Demand demand = Demand::may;
      if (at + 1 < text.size() && !is_space(text[at + 1])) {
        if (text[at] == '+') demand = Demand::must;
        if (text[at] == '-' && may_be_excluded(text[at + 1])) demand = Demand::must_not;
      }
      if (demand != Demand::may) ++at;
      if (text[at] == '"') {
        const std::size_t close = text.find('"', at + 1);
        if (close != std::string_view::npos) {
          add_quoted(text.substr(at + 1, close - at - 1), demand);
          at = close + 1;
          continue;
        }
        ++at;
      }
      std::size_t end = at;
      while (end < text.size() && !is_space(text[end]) && text[end] != '"') ++end;
      add_chunk(text.substr(at, end - at), demand);
      at = end;
    }
    settle_quotes();
    const bool scores = std::ranges::any_of(out_.clauses, [](const WordQuery::Clause& clause) {
      return clause.demand != Demand::must_not;
    });
    if (scores) return;
    for (const WordQuery::Range range : kept_) add(range.begin, range.length, Demand::may, false);
  }

 private:
  void analyse(std::string_view text, Language language) {
    list_.clear();
    analyzer_.analyse(text, language, list_);
  }

  void add_chunk(std::string_view chunk, Demand demand) {
    const bool prefix = chunk.size() > 1 && chunk.ends_with('*');
    if (prefix) chunk.remove_suffix(1);
    std::uint32_t written_begin = 0;
    std::uint32_t written_length = 0;
    if (prefix) {
      analyse(chunk, Language::none);
      const auto last = std::ranges::find_if(list_.words.rbegin(), list_.words.rend(),
                                             [](const auto& word) { return word.whole; });
      if (last == list_.words.rend()) return;
      written_begin = static_cast<std::uint32_t>(out_.bytes.size());
      written_length = last->length;
      out_.bytes.append(list_.term(*last));
    }
    find_function_words(chunk);
    analyse(chunk, out_.language);
    std::size_t last = list_.words.size();  // the word that the star belongs to
    for (std::size_t i = 0; i < list_.words.size() && prefix; ++i) {
      if (list_.words[i].whole) last = i;
    }
    for (std::size_t i = 0; i < list_.words.size(); ++i) {
      const WordList::Word& word = list_.words[i];
      if (word.single && !word.whole) continue;
      // A part of an identifier may be there; the whole answers for it.
      if (!word.whole && (demand != Demand::may || prefix)) continue;
      any_plain_ = any_plain_ || (demand == Demand::may && i != last);
      if (demand == Demand::may && i != last && is_function(i)) {
        keep_for_later(list_.term(word));
        continue;
      }
      if (i == last) {
        add_prefix(written_begin, written_length, list_.term(word), demand);
      } else {
        add(list_.term(word), demand, word.single);
      }
    }
  }

  // Which words of an English chunk carry grammar only. The list knows words, not stems; without
  // stemming a chunk gives the same words, and one more for an 's at its end.
  void find_function_words(std::string_view chunk) {
    function_.clear();
    if (out_.language != Language::english) return;
    analyse(chunk, Language::none);
    for (const WordList::Word& word : list_.words) {
      function_.push_back(rank_of_word(list_.term(word)) == WordRank::function ? 1 : 0);
    }
  }
  [[nodiscard]] bool is_function(std::size_t i) const {
    const std::size_t words = list_.words.size();
    const bool same = function_.size() == words || function_.size() == words + 1;
    return same && function_[i] != 0;
  }
  // Counts only where there is nothing else.
  void keep_for_later(std::string_view term) {
    kept_.push_back(
        {static_cast<std::uint32_t>(out_.bytes.size()), static_cast<std::uint32_t>(term.size())});
    out_.bytes.append(term);
  }

  // Stems are what is compared with, so letters that stemming would change are left off.
  void add_prefix(std::uint32_t begin, std::uint32_t length, std::string_view stem, Demand demand) {
    const std::string_view written = out_.text(begin, length);
    const auto differs = std::ranges::mismatch(written, stem).in1;
    const auto common = static_cast<std::uint32_t>(differs - written.begin());
    add(begin, common == 0 ? length : common, demand, true);
  }

  void add_quoted(std::string_view text, Demand demand) {
    analyse(text, out_.language);
    const auto first = static_cast<std::uint32_t>(out_.phrase_terms.size());
    for (const WordList::Word& word : list_.words) {
      if (!word.whole) continue;
      const std::string_view term = list_.term(word);
      out_.phrase_terms.push_back(
          {static_cast<std::uint32_t>(out_.bytes.size()), static_cast<std::uint32_t>(term.size())});
      out_.bytes.append(term);
    }
    const auto count = static_cast<std::uint32_t>(out_.phrase_terms.size()) - first;
    if (count == 0) return;
    out_.phrases.push_back({demand, first, count});
  }

  // A phrase that must be there needs all its words; one that must not be there is looked for in
  // what else is found.
  void settle_quotes() {
    std::size_t kept = 0;
    for (WordQuery::Phrase& phrase : out_.phrases) {
      if (phrase.demand == Demand::may && !any_plain_) phrase.demand = Demand::must;
      const bool is_one_word = phrase.count == 1;
      for (std::uint32_t i = 0; i < phrase.count; ++i) {
        if (phrase.demand == Demand::must_not && !is_one_word) break;
        const WordQuery::Range range = out_.phrase_terms[phrase.first + i];
        add(range.begin, range.length, phrase.demand, false);
      }
      if (!is_one_word && phrase.demand != Demand::may) out_.phrases[kept++] = phrase;
    }
    out_.phrases.resize(kept);
  }

  [[nodiscard]] WordQuery::Clause* known(std::string_view term, Demand demand, bool prefix) {
    for (WordQuery::Clause& clause : out_.clauses) {
      if (clause.length == term.size() && clause.demand == demand && clause.prefix == prefix &&
          out_.text(clause.begin, clause.length) == term) {
        return &clause;
      }
    }
    return nullptr;
  }

  // A term that is elsewhere.
  void add(std::string_view term, Demand demand, bool prefix) {
    const auto begin = static_cast<std::uint32_t>(out_.bytes.size());
    if (known(term, demand, prefix) == nullptr) out_.bytes.append(term);
    if (begin < out_.bytes.size()) {
      add(begin, static_cast<std::uint32_t>(term.size()), demand, prefix);
    } else if (WordQuery::Clause* clause = known(term, demand, prefix)) {
      count(*clause);
    }
  }

  // A term that stands in the query's bytes.
  void add(std::uint32_t begin, std::uint32_t length, Demand demand, bool prefix) {
    if (WordQuery::Clause* clause = known(out_.text(begin, length), demand, prefix)) {
      count(*clause);
    } else if (out_.clauses.size() < kMostClauses) {
      out_.clauses.push_back({demand, prefix, 1, begin, length});
    }
  }

  static void count(WordQuery::Clause& clause) {
    if (clause.times < kMostTimes) ++clause.times;
  }

  WordQuery& out_;
  WordAnalyzer& analyzer_;
  WordList& list_;
  std::vector<std::uint8_t>& function_;
  std::vector<WordQuery::Range>& kept_;
  bool any_plain_ = false;
};

}  // namespace

void parse_word_query(std::string_view text, Language language, WordQuery& out) {
  thread_local ParseScratch scratch;
  out.bytes.clear();
  out.clauses.clear();
  out.phrases.clear();
  out.phrase_terms.clear();
  out.language = language;
  Parser(out, scratch).run(text);
}

}  // namespace aeon::engine
