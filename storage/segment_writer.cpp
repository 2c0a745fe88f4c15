#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

#include "storage/codec.hpp"
#include "storage/segment.hpp"
#include "storage/segment_format.hpp"

namespace aeon::storage {

namespace format = segment_format;

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;  // one write; whole pages

constexpr bool is_alignment(std::size_t value) {
  return value != 0 && (value & (value - 1)) == 0 && value <= kPageBytes;
}

std::unexpected<Error> misuse(const std::string& path, std::string_view what) {
  assert(false && "segment writer used out of order");
  return fail(Errc::invalid_argument, fmt::format("{}: {}", path, what));
}

}  // namespace

struct SegmentWriter::State {
  std::string path;
  std::unique_ptr<File> file;
  SegmentInfo info;
  std::uint64_t salt = 0;

  // Not zeroed: a small segment touches only its part of it.
  std::unique_ptr<std::byte[]> buffer = std::make_unique_for_overwrite<std::byte[]>(kBufferBytes);
  std::size_t buffered = 0;
  std::uint64_t written = 0;  // file offset of the buffer's first byte; a multiple of the page
  std::vector<std::uint64_t> sums;

  std::vector<Section> sections;
  bool section_open = false;
  bool finished = false;
  Status health;  // the first error; every later call repeats it

  [[nodiscard]] std::uint64_t offset() const { return written + buffered; }

  Status write(std::span<const std::byte> bytes) {
    health = file->write_at(bytes, written);
    if (!health) return health;
    // Piece by piece: the device stays free for the syncs of commits, as it would not if all came
    // at once with the sync at the end.
    file->begin_sync(written, bytes.size());
    written += bytes.size();
    return health;
  }

  // Sums and writes whole pages of data.
  Status write_pages(std::span<const std::byte> pages) {
    assert(pages.size() % kPageBytes == 0 && written % kPageBytes == 0);
    for (std::size_t at = 0; at < pages.size(); at += kPageBytes) {
      sums.push_back(format::page_sum(pages.data() + at, salt, (written + at) / kPageBytes));
    }
    return write(pages);
  }

  Status append(std::span<const std::byte> bytes) {
    if (!health) return health;
    while (!bytes.empty()) {
      if (buffered == 0 && bytes.size() >= kBufferBytes) {
        AEON_TRY(write_pages(bytes.first(kBufferBytes)));
        bytes = bytes.subspan(kBufferBytes);
        continue;
      }
      const std::size_t count = std::min(bytes.size(), kBufferBytes - buffered);
      std::memcpy(buffer.get() + buffered, bytes.data(), count);
      buffered += count;
      bytes = bytes.subspan(count);
      if (buffered == kBufferBytes) AEON_TRY(flush());
    }
    return {};
  }

  Status flush() {
    AEON_TRY(write_pages({buffer.get(), buffered}));
    buffered = 0;
    return {};
  }

  Status align(std::size_t alignment) {
    static constexpr std::byte kZeros[kPageBytes]{};
    const std::uint64_t past = offset() & (alignment - 1);
    return past == 0 ? health : append({kZeros, static_cast<std::size_t>(alignment - past)});
  }

  Status append_directory_copy() {
    format::DirectoryCopy copy{};
    copy.magic = format::kDirectoryMagic;
    copy.section_count = static_cast<std::uint32_t>(sections.size());
    std::ranges::copy(sections, copy.sections);
    copy.sum =
        format::own_sum(reinterpret_cast<const std::byte*>(&copy), salt, offset() / kPageBytes);
    return append(std::as_bytes(std::span(&copy, 1)));
  }

  // Writes the sum table; answers the sum over its pages' own sums.
  Result<std::uint64_t> write_table() {
    std::vector<format::TablePage> table(format::table_pages(sums.size()));
    std::vector<std::uint64_t> own;
    for (std::size_t i = 0; i < table.size(); ++i) {
      const auto part = std::span(sums).subspan(i * format::kSumsPerPage);
      const std::size_t count = std::min(part.size(), format::kSumsPerPage);
      std::memcpy(table[i].sums, part.data(), count * sizeof(std::uint64_t));
      const auto* page = reinterpret_cast<const std::byte*>(&table[i]);
      table[i].own = format::own_sum(page, salt, written / kPageBytes + i);
      own.push_back(table[i].own);
    }
    AEON_TRY(write(std::as_bytes(std::span(table))));
    return hash64(std::as_bytes(std::span(own)), salt);
  }

  Status write_footer(std::uint64_t table_offset, std::uint64_t table_sum) {
    format::Footer footer{};
    footer.magic = format::kFooterMagic;
    footer.section_count = static_cast<std::uint32_t>(sections.size());
    footer.table_offset = table_offset;
    footer.table_bytes = written - table_offset;
    footer.table_sum = table_sum;
    std::ranges::copy(sections, footer.sections);
    footer.sum =
        format::own_sum(reinterpret_cast<const std::byte*>(&footer), salt, written / kPageBytes);
    info.footer_sum = footer.sum;
    return write(std::as_bytes(std::span(&footer, 1)));
  }
};

SegmentWriter::SegmentWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SegmentWriter::~SegmentWriter() = default;

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(Os& os, const std::string& directory,
                                                             PalaceUuid palace, FileKind kind,
                                                             std::uint64_t number,
                                                             std::uint64_t first_commit,
                                                             std::uint64_t last_commit) {
  assert(number != 0 && first_commit <= last_commit);
  auto state = std::make_unique<State>();
  state->path = format::segment_path(directory, kind, number);
  state->info = {.number = number, .first_commit = first_commit, .last_commit = last_commit};
  state->salt = format::file_salt(palace, kind, number);
  AEON_ASSIGN(state->file, os.open_file(state->path, OpenMode::create));

  format::Head head{.magic = format::kHeadMagic,
                    .version = kFormatVersion,
                    .zero = 0,
                    .kind = kind,
                    .palace = palace,
                    .number = number,
                    .first_commit = first_commit,
                    .last_commit = last_commit,
                    .sum = 0};
  head.sum = format::sum_of(head);
  AEON_TRY(state->append(std::as_bytes(std::span(&head, 1))));
  AEON_TRY(state->align(kPageBytes));
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(std::move(state)));
}

Status SegmentWriter::begin_section(SectionKind kind, std::size_t alignment) {
  State& s = *state_;
  if (s.section_open || s.finished) return misuse(s.path, "a section is open or the file finished");
  if (!is_alignment(alignment)) return misuse(s.path, "alignment is no power of two up to a page");
  if (s.sections.size() == format::kMaxSections) {
    return fail(Errc::too_large,
                fmt::format("{}: more than {} sections", s.path, format::kMaxSections));
  }
  AEON_TRY(s.align(alignment));
  s.sections.push_back({.kind = kind, .offset = s.offset()});
  s.section_open = true;
  return {};
}

Status SegmentWriter::append(std::span<const std::byte> bytes) {
  if (!state_->section_open) return misuse(state_->path, "append outside a section");
  return state_->append(bytes);
}

Status SegmentWriter::align(std::size_t alignment) {
  if (!state_->section_open) return misuse(state_->path, "align outside a section");
  if (!is_alignment(alignment)) return misuse(state_->path, "no power of two up to a page");
  return state_->align(alignment);
}

std::uint64_t SegmentWriter::section_offset() const noexcept {
  assert(state_->section_open);
  return state_->section_open ? state_->offset() - state_->sections.back().offset : 0;
}

Status SegmentWriter::end_section(std::uint64_t items) {
  State& s = *state_;
  if (!s.section_open) return misuse(s.path, "no section is open");
  s.section_open = false;
  s.sections.back().bytes = s.offset() - s.sections.back().offset;
  s.sections.back().items = items;
  return s.health;
}

Result<SegmentInfo> SegmentWriter::finish() {
  State& s = *state_;
  if (s.section_open || s.finished) return misuse(s.path, "a section is open or the file finished");
  AEON_TRY(s.align(kPageBytes));
  AEON_TRY(s.append_directory_copy());
  AEON_TRY(s.flush());
  const std::uint64_t table_offset = s.written;
  AEON_ASSIGN(const std::uint64_t table_sum, s.write_table());
  AEON_TRY(s.write_footer(table_offset, table_sum));
  s.health = s.file->sync();
  AEON_TRY(s.health);
  s.finished = true;
  s.info.bytes = s.written;
  return s.info;
}

}  // namespace aeon::storage
