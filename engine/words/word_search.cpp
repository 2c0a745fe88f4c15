#include "engine/words/word_search.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "engine/filter.hpp"
#include "engine/words/field_filter.hpp"
#include "engine/words/phrase_check.hpp"
#include "engine/words/word_terms.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint32_t kWindow = 2048;  // documents
constexpr float kScoreUnit = 65'536;

struct Scored {
  std::uint32_t score = 0;  // in 1 / kScoreUnit
  WordHit hit;
};
constexpr auto kBetter = [](const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.hit.document < b.hit.document;
};

// A term in the source at hand.
struct Listed {
  PostingCursor* cursor;
  const WordTerms::Term* term;
};

// Buffers of one thread, kept warm between searches.
struct Scratch {
  Scratch() {
    best.reserve(kMaxK);
    bounds.reserve(kMostTerms);
    order.reserve(kMostTerms);
    listed.reserve(kMostTerms);
  }
  std::vector<Listed> listed;
  std::vector<Scored> best;                     // min-heap of the k best
  std::array<std::uint32_t, kWindow> scores{};  // zero between windows, as is `masks`
  std::array<std::uint32_t, kWindow> masks{};
  std::array<std::uint64_t, kWindow / 64> touched{};
  std::vector<std::uint32_t> bounds;  // by term, in the window
  std::vector<std::uint32_t> order;   // terms, the lowest bound first
  PhraseCheck phrases;
  FieldFilter fields;
  Reading::Version version;
};
Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

// What a posting adds to a score: grows with the count, falls with the length.
class Contribution {
 public:
  void prepare(float k1, float b, float mean_length) {
    for (std::uint32_t code = 0; code < norms_.size(); ++code) {
      const auto length = static_cast<float>(length_of_code(static_cast<std::uint8_t>(code)));
      norms_[code] = k1 * (1 - b + b * length / mean_length);
    }
    by_length_ = b != 0;
  }
  [[nodiscard]] bool by_length() const noexcept { return by_length_; }
  [[nodiscard]] std::uint32_t of(float weight, std::uint8_t count, std::uint8_t length) const {
    const auto c = static_cast<float>(count);
    const float score = weight * (c / (c + norms_[length]));
    return 1 + static_cast<std::uint32_t>(score * kScoreUnit);
  }
  // Not below of() for any lower count and greater length, whatever floats do to its last bit.
  [[nodiscard]] std::uint32_t bound(float weight, const BlockBound& block) const {
    return of(weight, block.most, by_length_ ? block.shortest : std::uint8_t{0}) + 1;
  }

 private:
  std::array<float, 256> norms_{};
  bool by_length_ = false;
};

class Search {
 public:
  Search(const Reading& reading, const WordSearch& search, Scratch& scratch, WordTerms& terms)
      : reading_(reading),
        search_(search),
        scratch_(scratch),
        terms_(terms),
        cursors_(scratch.listed) {
    scratch_.best.clear();
  }

  Status run(WordAnswer& answer) {
    answer.hits.clear();
    answer.postings = 0;
    AEON_TRY(terms_.find(reading_, search_));
    damaged_ = terms_.damaged();
    if (!terms_.hopeless()) {
      contribution_.prepare(search_.k1, search_.b, terms_.mean_length());
      scratch_.phrases.prepare(*search_.query);
      for (std::size_t s = 0; s < terms_.sources().size(); ++s) AEON_TRY(search_source(s));
    }
    std::ranges::sort(scratch_.best, kBetter);
    for (const Scored& scored : scratch_.best) {
      answer.hits.push_back(scored.hit);
      answer.hits.back().score = static_cast<float>(scored.score) / kScoreUnit;
    }
    answer.postings = postings_;
    answer.partial = damaged_;
    return {};
  }

 private:
  Status search_source(std::size_t index) {
    source_ = &terms_.sources()[index];
    cursors_.clear();
    for (std::size_t i = 0; i < terms_.terms().size(); ++i) {
      if (!terms_.opened(index, i)) continue;
      cursors_.push_back({&terms_.cursor(index, i), &terms_.terms()[i]});
    }
    verdict_ = nullptr;
    if (search_.filter != nullptr && search_.indexed && !cursors_.empty()) {
      verdict_ = &scratch_.fields.find(*source_, search_.tenant, search_.filter, {}, {}, damaged_);
    }
    const std::uint32_t limit = source_->limit;
    for (std::uint32_t at = source_->first; at < limit;) {
      std::uint32_t next = limit;
      for (const Listed& list : cursors_) {
        list.cursor->skip_to(at);
        if (!list.cursor->valid()) continue;
        next = std::min(next, list.cursor->bound(list.cursor->block()).first);
      }
      at = std::max(at, next);
      if (at >= limit) break;
      const std::uint32_t end = limit - at > kWindow ? at + kWindow : limit;
      AEON_TRY(search_window(at, end));
      at = end;
    }
    for (const Listed& list : cursors_) postings_ += list.cursor->looked_at();
    return {};
  }

  Status search_window(std::uint32_t begin, std::uint32_t end) {
    std::uint64_t total = 0;
    std::uint32_t reachable = 0;
    scratch_.bounds.resize(cursors_.size());
    for (std::size_t i = 0; i < cursors_.size(); ++i) {
      const Listed& list = cursors_[i];
      std::uint32_t bound = 0;
      const PostingCursor& cursor = *list.cursor;
      for (std::uint32_t block = cursor.block();
           block < cursor.blocks() && cursor.bound(block).first < end; ++block) {
        bound = std::max(bound, contribution_.bound(list.term->weight, cursor.bound(block)));
        reachable |= list.term->demand;
      }
      scratch_.bounds[i] = bound;
      if (list.term->demand != WordTerms::kForbidden) total += bound;
    }
    if (total <= bar_ || (reachable & terms_.demanded()) != terms_.demanded()) return {};
    begin_ = begin;
    end_ = end;
    if (terms_.has_demands()) return search_demands();
    return search_best(total);
  }

  // Every list counts, and every bit of every mask.
  Status search_demands() {
    for (const Listed& list : cursors_) add_list(list, true);
    return for_each_touched([this](std::uint32_t offset, std::uint32_t score) -> Status {
      const std::uint32_t mask = std::exchange(scratch_.masks[offset], 0);
      const bool fits =
          (mask & WordTerms::kForbidden) == 0 && (mask & terms_.demanded()) == terms_.demanded();
      return fits && score > bar_ ? consider(begin_ + offset, score) : Status{};
    });
  }

  // Lists that together can't lift a document over the bar are asked only about documents that
  // the others have brought up.
  Status search_best(std::uint64_t total) {
    auto& order = scratch_.order;
    order.resize(cursors_.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, {}, [this](std::uint32_t i) { return scratch_.bounds[i]; });
    std::uint64_t passive = 0;
    std::size_t first = 0;  // of the lists that bring documents up
    while (first < order.size() && passive + scratch_.bounds[order[first]] <= bar_) {
      passive += scratch_.bounds[order[first++]];
    }
    (void)total;
    for (std::size_t i = first; i < order.size(); ++i) add_list(cursors_[order[i]], false);
    return for_each_touched([&](std::uint32_t offset, std::uint32_t score) -> Status {
      std::uint64_t rest = passive;
      for (std::size_t i = first; i-- > 0;) {
        if (score + rest <= bar_) return {};
        if (scratch_.bounds[order[i]] == 0) break;  // nor do those before it have the document
        rest -= scratch_.bounds[order[i]];
        score += score_in(cursors_[order[i]], begin_ + offset);
      }
      return score > bar_ ? consider(begin_ + offset, score) : Status{};
    });
  }

  [[nodiscard]] std::uint8_t length_of(const PostingCursor& cursor, std::uint32_t i,
                                       std::uint32_t document) {
    if (!contribution_.by_length()) return 0;
    if (const std::uint8_t* lengths = cursor.lengths()) return lengths[i];
    return source_->segment->words().length(document, damaged_);
  }

  void add_list(const Listed& list, bool masks) {
    PostingCursor& cursor = *list.cursor;
    const bool scores = list.term->demand != WordTerms::kForbidden;
    for (std::uint32_t block = cursor.block();
         block < cursor.blocks() && cursor.bound(block).first < end_; ++block) {
      const UnpackedBlock* data = cursor.unpack(block, damaged_);
      if (data == nullptr) continue;
      const auto* const documents = data->documents.data();
      std::uint32_t i = 0;
      if (documents[0] < begin_) {
        i = static_cast<std::uint32_t>(std::lower_bound(documents, documents + data->size, begin_) -
                                       documents);
      }
      for (; i < data->size && documents[i] < end_; ++i) {
        const std::uint32_t offset = documents[i] - begin_;
        scratch_.touched[offset / 64] |= std::uint64_t{1} << (offset % 64);
        if (scores) {
          scratch_.scores[offset] += contribution_.of(list.term->weight, data->counts[i],
                                                      length_of(cursor, i, documents[i]));
        }
        if (masks) scratch_.masks[offset] |= list.term->demand;
      }
    }
  }

  [[nodiscard]] std::uint32_t score_in(const Listed& list, std::uint32_t document) {
    PostingCursor& cursor = *list.cursor;
    cursor.skip_to(document);
    if (!cursor.valid() || cursor.bound(cursor.block()).first > document) return 0;
    const UnpackedBlock* data = cursor.unpack(cursor.block(), damaged_);
    if (data == nullptr) return 0;
    const auto* const documents = data->documents.data();
    const auto* const at = std::lower_bound(documents, documents + data->size, document);
    if (at == documents + data->size || *at != document) return 0;
    const auto i = static_cast<std::uint32_t>(at - documents);
    return contribution_.of(list.term->weight, data->counts[i], length_of(cursor, i, document));
  }

  // Calls visit(offset, score) for every document of the window that was brought up, in order, and
  // leaves the window clean.
  template <typename Visit>
  Status for_each_touched(Visit&& visit) {
    Status status;
    for (std::uint32_t word = 0; word < scratch_.touched.size(); ++word) {
      for (std::uint64_t bits = std::exchange(scratch_.touched[word], 0); bits != 0;
           bits &= bits - 1) {
        const std::uint32_t offset = word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
        const std::uint32_t score = std::exchange(scratch_.scores[offset], 0);
        if (status) status = visit(offset, score);
      }
    }
    return status;
  }

  // A document over the bar: is it seen, and does it pass?
  Status consider(std::uint32_t number, std::uint32_t score) {
    const std::uint32_t place = number - source_->first;
    if (verdict_ != nullptr && !verdict_->may.test(place)) return {};
    const Document* document = source_->find(number, damaged_);
    if (document == nullptr || !matches(*document)) return {};
    if (!terms_.ends().none() && terms_.ends().ended(number, damaged_)) return {};
    const bool may_expire = reading_.now != kBeginningOfTime;
    const bool ask =
        search_.filter != nullptr && (verdict_ == nullptr || !verdict_->sure.test(place));
    if (ask || !scratch_.phrases.empty() || may_expire) {
      AEON_ASSIGN(const bool kept, passes(*document, ask));
      if (!kept) return {};
    }
    Scored scored{score,
                  {number, 0, document->id, document->born, document->time, document->session}};
    auto& best = scratch_.best;
    if (best.size() == search_.k) {
      std::ranges::pop_heap(best, kBetter);
      best.pop_back();
    }
    best.push_back(scored);
    std::ranges::push_heap(best, kBetter);
    if (best.size() == search_.k) bar_ = best.front().score;
    return {};
  }

  [[nodiscard]] bool matches(const Document& document) const {
    return (search_.session == 0 || document.session == search_.session) &&
           (search_.kind == 0 || document.kind == search_.kind) && document.time >= search_.since &&
           (document.time < search_.until || search_.until == kEndOfTime);
  }

  Result<bool> passes(const Document& document, bool ask) {
    const Result<bool> visible = reading_.try_version(document.id, scratch_.version);
    if (!visible && visible.error().code == Errc::damaged) {
      damaged_ = true;  // what it says is not known; the rest answers
      return false;
    }
    if (!visible) return std::unexpected(visible.error());
    const VersionRecord& record = scratch_.version.record;
    if (!*visible) return false;
    if (ask && !search_.filter->matches(record.metadata)) return false;
    return scratch_.phrases.empty() || scratch_.phrases.passes(reading_, record, damaged_);
  }

  const Reading& reading_;
  const WordSearch& search_;
  Scratch& scratch_;
  WordTerms& terms_;
  std::vector<Listed>& cursors_;
  Contribution contribution_;
  const WordSource* source_ = nullptr;
  const Verdict* verdict_ = nullptr;  // of the filter over the source; null: ask each memory
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t bar_ = 0;  // a score must be above it
  std::uint64_t postings_ = 0;
  bool damaged_ = false;
};

}  // namespace

Status search_words(const Reading& reading, const WordSearch& search, WordTerms& terms,
                    WordAnswer& answer) {
  return Search(reading, search, scratch(), terms).run(answer);
}

}  // namespace aeon::engine
