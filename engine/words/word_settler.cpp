#include "engine/words/word_settler.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "storage/tables.hpp"

namespace aeon::engine {

namespace {

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Errc::damaged, fmt::format("settling words: {}; run aeon verify", what));
}

}  // namespace

Status WordSettler::begin() {
  Status status;
  const auto add = [&](std::uint32_t number, const Document& document) {
    if (status) status = add_document(number, document);
  };
  for (const WordTail* tail : sources_.tails) {
    for (std::uint32_t i = 0, n = tail->count(); i < n; ++i) add(tail->first() + i, tail->at(i));
  }
  bool bad = false;
  for (const WordSegment* segment : sources_.segments) segment->for_each(bad, add);
  AEON_TRY(status);
  if (bad) return damaged("a page of documents is bad");
  if (numbers_.empty()) return {};
  lengths_.resize(std::size_t{numbers_.back()} - numbers_.front() + 1);
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    lengths_[numbers_[i] - numbers_.front()] =
        static_cast<std::uint16_t>(length_code(documents_[i].words) + 1);
  }
  for (const WordTail* tail : sources_.tails) {
    for (std::uint32_t i = 0, n = tail->count(); i < n; ++i) {
      for (const RowName& row : tail->rows_of(i)) add_row(row, tail->first() + i);
    }
  }
  for (const WordSegment* segment : sources_.segments) {
    segment->for_each_row(bad, [this](std::uint32_t space, const DocumentRow& row) {
      add_row({space, row.node}, row.document);
    });
  }
  if (bad) return damaged("a page of the rows of documents is bad");
  std::ranges::sort(rows_, {}, [](const Row& row) {
    return std::tuple(row.name.space, row.document, row.name.node);
  });
  return {};
}

void WordSettler::add_row(RowName row, std::uint32_t document) {
  if (stays(document)) rows_.push_back({row, document});
}

Status WordSettler::add_document(std::uint32_t number, const Document& document) {
  if (!numbers_.empty() && number <= numbers_.back()) return damaged("documents are out of order");
  if (sources_.is_dead && sources_.is_dead(number, document)) return {};
  numbers_.push_back(number);
  documents_.push_back(document);
  return {};
}

Status WordSettler::pass(std::string_view key, storage::RunBuilder& builder) {
  if (done_ || (!key.empty() && key[0] <= static_cast<char>(storage::Table::terms))) return {};
  done_ = true;
  AEON_TRY(add_tails(builder));
  return flush(builder);
}

Status WordSettler::add_tails(storage::RunBuilder& builder) {
  std::vector<WordTail::Terms> cursors;
  for (const WordTail* tail : sources_.tails) {
    cursors.emplace_back(*tail);
    cursors.back().seek_first();
  }
  for (;;) {
    const WordTail::Terms* least = nullptr;
    for (const WordTail::Terms& cursor : cursors) {
      if (cursor.valid() && (least == nullptr || cursor.key() < least->key())) least = &cursor;
    }
    if (least == nullptr) return {};
    const std::string_view key = least->key();  // lives as long as the tail
    AEON_TRY(flush(builder));
    term_key(list_key_, storage::KeyDecoder(key).u32(), key.substr(4));
    for (WordTail::Terms& cursor : cursors) {  // oldest first, so documents ascend
      if (!cursor.valid() || cursor.key() != key) continue;
      cursor.chain().for_each(
          [this](const Posting& posting) { add_posting(posting.document, posting.count); });
      cursor.next();
    }
  }
}

Status WordSettler::take(std::string_view key, std::string_view value,
                         storage::RunBuilder& builder) {
  const auto parts = split_term_key(key);
  const auto list = PostingList::open(value);
  if (!parts || !list) return damaged("a list of postings does not decode");
  if (parts->list != list_key_) {
    AEON_TRY(flush(builder));
    list_key_.assign(parts->list);
  }
  for (std::uint32_t i = 0; i < list->blocks(); ++i) {
    if (!list->unpack(i, block_)) return damaged("a block of postings does not decode");
    for (std::uint32_t at = 0; at < block_.size; ++at) {
      add_posting(block_.documents[at], block_.counts[at]);
    }
  }
  return {};
}

void WordSettler::add_posting(std::uint32_t document, std::uint8_t count) {
  if (!stays(document)) return;
  const std::uint16_t length = lengths_[document - numbers_.front()];
  postings_.push_back({document, count, static_cast<std::uint8_t>(length - 1)});
}

Status WordSettler::flush(storage::RunBuilder& builder) {
  std::span<const Posting> left = postings_;
  while (!left.empty()) {
    const auto part = left.first(std::min<std::size_t>(left.size(), kListPostings));
    left = left.subspan(part.size());
    for (std::size_t i = 1; i < part.size(); ++i) {
      if (part[i].document <= part[i - 1].document) return damaged("postings are out of order");
    }
    key_ = list_key_;
    storage::KeyEncoder(key_).u32(part.front().document);
    storage::append_commit(key_, commit_);
    value_.clear();
    encode_postings(value_, part);
    AEON_TRY(builder.add(key_, value_));
  }
  postings_.clear();
  return {};
}

Status WordSettler::write_documents(storage::SegmentWriter& writer) const {
  using storage::SectionKind;
  if (numbers_.empty()) return {};
  std::vector<NodeBlock> blocks;
  const NodePart part = index_nodes(numbers_, 0, blocks);
  std::vector<std::uint8_t> lengths;
  lengths.reserve(documents_.size());
  for (const Document& document : documents_) lengths.push_back(length_code(document.words));
  const auto write = [&writer](SectionKind kind, auto items) -> Status {
    AEON_TRY(writer.begin_section(kind));
    AEON_TRY(writer.append(std::as_bytes(items)));
    return writer.end_section(items.size());
  };
  AEON_TRY(write(SectionKind::word_documents, std::span(documents_)));
  AEON_TRY(write(SectionKind::word_lengths, std::span(lengths)));
  AEON_TRY(write(SectionKind::word_blocks, std::span(blocks)));
  AEON_TRY(write(SectionKind::word_index, std::span(&part, 1)));
  if (rows_.empty()) return {};
  std::vector<DocumentRowSpace> spaces;
  std::vector<DocumentRow> rows;
  rows.reserve(rows_.size());
  for (const Row& row : rows_) {
    if (spaces.empty() || spaces.back().space != row.name.space) {
      spaces.push_back({row.name.space, 0});
    }
    ++spaces.back().rows;
    rows.push_back({row.document, row.name.node});
  }
  AEON_TRY(write(SectionKind::word_row_spaces, std::span(spaces)));
  return write(SectionKind::word_rows, std::span(rows));
}

}  // namespace aeon::engine
