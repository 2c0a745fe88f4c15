#include "engine/words/word_segment.hpp"

#include <fmt/format.h>

#include "engine/catalog.hpp"

#include "storage/tables.hpp"

namespace aeon::engine {

namespace {
constexpr std::size_t kHead = 5;  // table and tenant
}

void term_key(std::string& out, std::uint32_t tenant, std::string_view term) {
  storage::begin_key(out, storage::Table::terms).u32(tenant).text(term);
}

std::string TermKey::text() const { return storage::KeyDecoder(list.substr(kHead)).text(); }

bool is_term_key(std::string_view key) noexcept {
  return !key.empty() && key[0] == static_cast<char>(storage::Table::terms);
}

std::optional<TermKey> split_term_key(std::string_view key) noexcept {
  constexpr std::string_view kEnd("\0\x01", 2);
  if (!is_term_key(key) || key.size() < kHead + kEnd.size() + kTermKeyTail) return std::nullopt;
  TermKey parts;
  parts.list = key.substr(0, key.size() - kTermKeyTail);
  parts.tenant = storage::KeyDecoder(key.substr(1)).u32();
  parts.term = parts.list.substr(kHead);
  if (!parts.term.ends_with(kEnd)) return std::nullopt;
  parts.term.remove_suffix(kEnd.size());
  parts.first = storage::KeyDecoder(key.substr(parts.list.size())).u32();
  return parts;
}

Result<WordSegment> WordSegment::open(const storage::Segment& segment) {
  using storage::SectionKind;
  WordSegment words;
  words.segment_ = &segment;
  const storage::Section* head = segment.find(SectionKind::word_index);
  if (head == nullptr) return words;
  const storage::Section* documents = segment.find(SectionKind::word_documents);
  const storage::Section* lengths = segment.find(SectionKind::word_lengths);
  const storage::Section* blocks = segment.find(SectionKind::word_blocks);
  const auto damaged = [&] {
    return fail(Errc::damaged, fmt::format("{}: its index of documents does not hold; run aeon "
                                           "verify",
                                           segment.path()));
  };
  if (documents == nullptr || lengths == nullptr || blocks == nullptr ||
      head->bytes != sizeof(NodePart)) {
    return damaged();
  }
  AEON_ASSIGN(const auto bytes, segment.read(head->offset, head->bytes));
  const auto part = storage::load<NodePart>(bytes.data());
  if (part.first_item != 0 || part.items > part.span ||
      documents->bytes / sizeof(Document) != part.items || lengths->bytes != part.items ||
      documents->offset % alignof(Document) != 0 || part.first_node > UINT32_MAX - part.span) {
    return damaged();
  }
  words.index_ = NodeIndex(segment, *blocks, part);
  if (words.index_.part().items != part.items) return damaged();
  words.documents_at_ = documents->offset;
  words.lengths_at_ = lengths->offset;
  if (!words.open_rows()) return damaged();
  return words;
}

bool WordSegment::open_rows() {
  using storage::SectionKind;
  const storage::Section* spaces = segment_->find(SectionKind::word_row_spaces);
  if (spaces == nullptr) return true;
  const storage::Section* rows = segment_->find(SectionKind::word_rows);
  if (rows == nullptr || rows->offset % alignof(DocumentRow) != 0 ||
      spaces->bytes % sizeof(DocumentRowSpace) != 0 ||
      spaces->bytes / sizeof(DocumentRowSpace) > kMaxSpaces) {
    return false;
  }
  const auto bytes = segment_->read(spaces->offset, spaces->bytes);
  if (!bytes) return false;
  rows_at_ = rows->offset;
  std::uint64_t all = 0;
  for (std::size_t at = 0; at < bytes->size(); at += sizeof(DocumentRowSpace)) {
    const auto part = storage::load<DocumentRowSpace>(bytes->data() + at);
    if (!row_spaces_.empty() && part.space <= row_spaces_.back().space) return false;
    row_spaces_.push_back(part);
    all += part.rows;
  }
  return all * sizeof(DocumentRow) == rows->bytes;
}

std::span<const DocumentRow> WordSegment::rows(std::uint32_t space, bool& damaged) const noexcept {
  std::uint64_t before = 0;
  for (const DocumentRowSpace& part : row_spaces_) {
    if (part.space == space) {
      const std::byte* at = segment_->checked(rows_at_ + before * sizeof(DocumentRow),
                                              part.rows * sizeof(DocumentRow));
      damaged = damaged || at == nullptr;
      if (at == nullptr) return {};
      return {reinterpret_cast<const DocumentRow*>(at), part.rows};
    }
    before += part.rows;
  }
  return {};
}

const Document* WordSegment::find(std::uint32_t number, bool& damaged) const noexcept {
  const std::uint64_t item = index_.find(number, damaged);
  if (item == NodeIndex::kNone) return nullptr;
  const std::byte* at =
      segment_->checked(documents_at_ + item * sizeof(Document), sizeof(Document));
  damaged = damaged || at == nullptr;
  return reinterpret_cast<const Document*>(at);
}

std::uint8_t WordSegment::length(std::uint32_t number, bool& damaged) const noexcept {
  const std::uint64_t item = index_.find(number, damaged);
  if (item == NodeIndex::kNone) return 0;
  const std::byte* at = segment_->checked(lengths_at_ + item, 1);
  damaged = damaged || at == nullptr;
  return at == nullptr ? std::uint8_t{0} : static_cast<std::uint8_t>(*at);
}

std::uint32_t WordSegment::documents_before(std::uint64_t commit, bool& damaged) const noexcept {
  if (empty()) return 0;
  if (segment_->info().last_commit <= commit) return end();
  const auto item_at = [this](std::uint64_t item) {
    return reinterpret_cast<const Document*>(
        segment_->checked(documents_at_ + item * sizeof(Document), sizeof(Document)));
  };
  // Documents are numbered in the order of their commits, but numbers may be missing: so the
  // search goes over numbers, and one that is missing looks at the next that is there.
  std::uint32_t low = first();
  std::uint32_t high = end();
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    std::uint32_t probe = middle;
    const Document* found = nullptr;
    for (; probe < high && found == nullptr; ++probe) {
      const std::uint64_t item = index_.find(probe, damaged);
      if (item != NodeIndex::kNone) found = item_at(item);
    }
    if (found != nullptr && found->born <= commit) {
      low = probe;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace aeon::engine
