#include "engine/words/word_verifier.hpp"

#include <fmt/format.h>

#include "engine/words/posting_list.hpp"
#include "storage/checksum.hpp"

namespace aeon::engine {

namespace {

// Sums of these do not depend on the order.
std::uint64_t hash_of(std::uint32_t tenant, std::string_view term, std::uint32_t document,
                      std::uint8_t times) {
  const std::uint64_t place = std::uint64_t{document} << 8 | times;
  return storage::hash64(storage::as_bytes(term), storage::place_seed(tenant, place));
}

}  // namespace

std::string WordVerifier::check_version(MemoryId id, CommitNumber version,
                                        const VersionRecord& record, std::string_view content) {
  if (!record.document) return {};
  const DocumentName& name = *record.document;
  if (name.analyzer == 0 || name.analyzer > kAnalyzer || name.language >= kLanguages) {
    return fmt::format("memory {}: its words were found in an unknown way", id);
  }
  if (!named_.emplace(name.number, record.tenant).second) {
    return fmt::format("memory {}: its document {} is another memory's as well", id, name.number);
  }
  WordCounts& counts = counts_[record.tenant];
  counts.documents += name.words != 0 ? 1 : 0;
  counts.words += name.words;
  std::string_view text = record.content_type == ContentType::text ? content : std::string_view{};
  if (name.from_head) text = truncate_utf8(text, kHeadBytes);
  const auto session = reading_.name_of(NameClass::session, record.session);
  if (!session) return session.error().message;
  const auto kind = reading_.name_of(NameClass::kind, record.kind);
  if (!kind) return kind.error().message;
  find_words({.text = text,
              .metadata = record.metadata,
              .session = *session,
              .kind = *kind,
              .language = static_cast<Language>(name.language),
              .analyzer = name.analyzer},
             words_);
  encoded_.clear();
  encode_words(encoded_, words_, record.event_time);
  const bool decoded = decode_words(encoded_, [&](std::string_view term, std::uint8_t times) {
    expected_ += hash_of(record.tenant, term, name.number, times);
    return true;
  });
  if (!decoded || words_.length != name.words) {
    return fmt::format("memory {}: it has {} words, not {}", id, words_.length, name.words);
  }
  bool damaged = false;
  const Document* document = find_document(name.number, damaged);
  if (document == nullptr) {
    return fmt::format("memory {}: its document {} is missing", id, name.number);
  }
  const Document wanted{.id = id,
                        .born = version,
                        .time = record.event_time,
                        .tenant = record.tenant,
                        .session = record.session,
                        .kind = record.kind,
                        .words = name.words};
  if (*document != wanted) {
    return fmt::format("memory {}: its document {} says something else", id, name.number);
  }
  if (reading_.ended_at(kDocumentSpace, name.number, damaged) != 0 || damaged) {
    return fmt::format("memory {}: its document {} is marked as ended", id, name.number);
  }
  return {};
}

std::vector<std::string> WordVerifier::check_index() {
  std::vector<std::string> wrong;
  std::uint64_t found = 0;
  read_tails(found);
  read_segments(found, wrong);
  if (found != expected_) {
    wrong.emplace_back("the postings are not those of the texts of the memories");
  }
  for (const auto& [tenant, counts] : counts_) {
    const auto said = reading_.word_counts(tenant);
    if (!said || *said != counts) {
      wrong.push_back(fmt::format("tenant {} has {} documents of {} words; the index counts others",
                                  tenant, counts.documents, counts.words));
    }
  }
  // Every document that is alive belongs to a visible version.
  std::uint64_t alive = 0;
  bool damaged = false;
  const auto count = [&](std::uint32_t number, const Document& document) {
    if (document.born > reading_.commit) return;
    if (reading_.ended_at(kDocumentSpace, number, damaged) == 0) ++alive;
  };
  for (const auto& segment : reading_.view.segments()) segment->words().for_each(damaged, count);
  for (const auto& tail : reading_.view.tails()) {
    const WordTail& words = tail->words();
    for (std::uint32_t i = 0, n = words.count(); i < n; ++i) count(words.first() + i, words.at(i));
  }
  if (damaged || alive != named_.size()) {
    wrong.push_back(
        fmt::format("{} documents are alive, {} are named by memories", alive, named_.size()));
  }
  return wrong;
}

void WordVerifier::add_posting(std::uint32_t tenant, std::string_view term, std::uint32_t document,
                               std::uint8_t times, std::uint64_t& sum) {
  if (named_.contains(document)) sum += hash_of(tenant, term, document, times);
}

void WordVerifier::read_tails(std::uint64_t& sum) {
  for (const auto& tail : reading_.view.tails()) {
    WordTail::Terms terms(tail->words());
    for (terms.seek_first(); terms.valid(); terms.next()) {
      const std::uint32_t tenant = storage::KeyDecoder(terms.key()).u32();
      const std::string_view term = terms.key().substr(4);
      terms.chain().for_each([&](const Posting& posting) {
        add_posting(tenant, term, posting.document, posting.count, sum);
      });
    }
  }
}

void WordVerifier::read_segments(std::uint64_t& sum, std::vector<std::string>& wrong) {
  std::string from;
  storage::begin_key(from, storage::Table::terms);
  UnpackedBlock block;
  for (const auto& segment : reading_.view.segments()) {
    storage::RunCursor cursor(segment->run());
    bool whole = true;
    for (cursor.seek(from); cursor.valid() && is_term_key(cursor.key()); cursor.next()) {
      const auto parts = split_term_key(cursor.key());
      const auto list = PostingList::open(cursor.value());
      const std::string term = parts ? parts->text() : std::string();
      for (std::uint32_t i = 0; parts && list && i < list->blocks(); ++i) {
        if (!list->unpack(i, block)) {
          whole = false;
          continue;
        }
        for (std::uint32_t at = 0; at < block.size; ++at) {
          add_posting(parts->tenant, term, block.documents[at], block.counts[at], sum);
        }
      }
      whole = whole && parts && list;
    }
    if (!cursor.status()) wrong.push_back(cursor.status().error().message);
    if (!whole) {
      wrong.push_back(
          fmt::format("{}: a list of postings does not decode", segment->segment().path()));
    }
  }
}

const Document* WordVerifier::find_document(std::uint32_t number, bool& damaged) const {
  for (const auto& tail : reading_.view.tails()) {
    if (const Document* document = tail->words().find(number)) return document;
  }
  for (const auto& segment : reading_.view.segments()) {
    if (const Document* document = segment->words().find(number, damaged)) return document;
  }
  return nullptr;
}

}  // namespace aeon::engine
