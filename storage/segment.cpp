#include "storage/segment.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include <fmt/format.h>

#include "storage/codec.hpp"
#include "storage/segment_format.hpp"

namespace aeon::storage {

namespace format = segment_format;

namespace {

// One bit per page. All accesses are relaxed: a bit says only that immutable bytes of the mapping
// were hashed; no memory written by the thread that set it is read on the strength of it.
class PageBits {
 public:
  explicit PageBits(std::uint64_t pages)
      : words_(std::make_unique<std::atomic<std::uint64_t>[]>(pages / 64 + 1)) {}

  [[nodiscard]] bool test(std::uint64_t page) const noexcept {
    return (words_[page / 64].load(std::memory_order_relaxed) >> (page % 64) & 1) != 0;
  }
  // True when the bit was clear before.
  bool set(std::uint64_t page) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << (page % 64);
    return (words_[page / 64].fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
  }
  void clear(std::uint64_t page) noexcept {
    words_[page / 64].fetch_and(~(std::uint64_t{1} << (page % 64)), std::memory_order_relaxed);
  }
  // The first page of [first, last] whose bit is clear, or last + 1.
  [[nodiscard]] std::uint64_t first_clear(std::uint64_t first, std::uint64_t last) const noexcept {
    for (std::uint64_t page = first; page <= last; page = (page / 64 + 1) * 64) {
      const std::uint64_t open = ~words_[page / 64].load(std::memory_order_relaxed) >> (page % 64);
      if (open != 0) {
        return std::min(last + 1, page + static_cast<unsigned>(std::countr_zero(open)));
      }
    }
    return last + 1;
  }

  [[nodiscard]] const std::atomic<std::uint64_t>* words() const noexcept { return words_.get(); }

 private:
  std::unique_ptr<std::atomic<std::uint64_t>[]> words_;
};

std::unexpected<Error> damaged(const std::string& path, std::string_view what) {
  return fail(Errc::damaged, fmt::format("{}: {}", path, what));
}

}  // namespace

struct Segment::State {
  std::string path;
  SegmentInfo info;
  std::uint64_t salt = 0;
  std::unique_ptr<Mapping> mapping;
  const std::byte* base = nullptr;
  std::uint64_t data_bytes = 0;  // head and sections, whole pages; the sum table starts there
  std::uint64_t data_pages = 0;
  std::vector<Section> sections;
  std::uint64_t table_sum = 0;

  PageBits good{0};
  PageBits bad{0};
  // Relaxed: a figure for people.
  std::atomic<std::uint64_t> bad_count{0};

  [[nodiscard]] const std::byte* page_at(std::uint64_t page) const {
    return base + page * kPageBytes;
  }
  [[nodiscard]] std::uint64_t table_page_of(std::uint64_t page) const {
    return data_pages + page / format::kSumsPerPage;
  }
  [[nodiscard]] std::uint64_t footer_page() const { return info.bytes / kPageBytes - 1; }

  // The page against its entry. An entry that matches is proof enough, whatever else happened to
  // its page of the table; so damage in the table costs only the pages whose entries it hit.
  [[nodiscard]] bool matches(std::uint64_t page) const { return matches(page, page_at(page)); }
  [[nodiscard]] bool matches(std::uint64_t page, const std::byte* bytes) const {
    const auto stored = load<std::uint64_t>(page_at(table_page_of(page)) +
                                            page % format::kSumsPerPage * sizeof(std::uint64_t));
    return format::page_sum(bytes, salt, page) == stored;
  }
  [[nodiscard]] bool own_sum_holds(std::uint64_t page) const {
    return own_sum_holds(page, page_at(page));
  }
  [[nodiscard]] bool own_sum_holds(std::uint64_t page, const std::byte* bytes) const {
    const auto stored = load<std::uint64_t>(bytes + kPageBytes - sizeof(std::uint64_t));
    return format::own_sum(bytes, salt, page) == stored;
  }

  void mark_bad(std::uint64_t page) {
    good.clear(page);
    if (bad.set(page)) bad_count.fetch_add(1, std::memory_order_relaxed);
  }

  // First touch: hashes the page unless it is known to be bad.
  [[nodiscard]] bool check(std::uint64_t page) {
    if (bad.test(page)) return false;
    if (matches(page)) {
      good.set(page);
      return true;
    }
    mark_bad(page);
    return false;
  }

  // The first page of [first, last] that is damaged, or last + 1.
  [[nodiscard]] std::uint64_t first_damaged(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t page = good.first_clear(first, last); page <= last;
         page = good.first_clear(page + 1, last)) {
      if (!check(page)) return page;
    }
    return last + 1;
  }

  [[nodiscard]] bool in_data(std::uint64_t offset, std::uint64_t count) const {
    return offset <= data_bytes && count <= data_bytes - offset;
  }

  Status verify_head(PalaceUuid palace, FileKind kind);
  Status verify_footer();
  Status verify_sections(std::span<const Section> found);
  Status map(Os& os);
  Status guess_layout();
};

Status Segment::State::verify_head(PalaceUuid palace, FileKind kind) {
  const auto head = load<format::Head>(base);
  if (head.magic != format::kHeadMagic || head.sum != format::sum_of(head)) {
    return damaged(path, "the head (page 0, offset 0) does not match its sum");
  }
  if (head.version > kFormatVersion) {
    return fail(Errc::newer_format,
                fmt::format("{}: format version {} is newer than this build's {}; use a newer Aeon",
                            path, head.version, kFormatVersion));
  }
  if (head.palace != palace) {
    return fail(Errc::foreign_file, fmt::format("{}: the file belongs to another palace", path));
  }
  if (head.kind != kind || head.number != info.number) {
    return damaged(path, fmt::format("the head names another file of this palace (number {}, kind "
                                     "{})",
                                     head.number, static_cast<std::uint32_t>(head.kind)));
  }
  if (head.first_commit != info.first_commit || head.last_commit != info.last_commit) {
    return damaged(path, fmt::format("the head says commits {}..{}, the manifest says {}..{}",
                                     head.first_commit, head.last_commit, info.first_commit,
                                     info.last_commit));
  }
  return {};
}

Status Segment::State::verify_footer() {
  const auto footer = load<format::Footer>(page_at(footer_page()));
  if (!own_sum_holds(footer_page()) || footer.magic != format::kFooterMagic) {
    return damaged(path, fmt::format("the footer (page {}, offset {}) does not match its sum",
                                     footer_page(), footer_page() * kPageBytes));
  }
  if (footer.sum != info.footer_sum) {
    return damaged(path, "the footer is not the one that the manifest names");
  }
  const std::uint64_t pages = footer.table_offset / kPageBytes;
  if (footer.table_offset % kPageBytes != 0 || pages == 0 || pages >= footer_page() ||
      pages + format::table_pages(pages) != footer_page() ||
      footer.table_bytes != format::table_pages(pages) * kPageBytes) {
    return damaged(path, "the footer places the sum table outside the file");
  }
  data_bytes = footer.table_offset;
  data_pages = pages;
  table_sum = footer.table_sum;
  if (footer.section_count > format::kMaxSections) {
    return damaged(path, "the footer lists too many sections");
  }
  return verify_sections(std::span(footer.sections).first(footer.section_count));
}

Status Segment::State::verify_sections(std::span<const Section> found) {
  sections.assign(found.begin(), found.end());
  for (const Section& section : sections) {
    if (section.offset < kPageBytes || !in_data(section.offset, section.bytes)) {
      return damaged(path, "the footer places a section outside the data");
    }
  }
  return {};
}

// Without a footer: the length says how many pages are data, for each 511 of them take one of sums.
Status Segment::State::guess_layout() {
  const std::uint64_t before_footer = footer_page();
  data_pages = before_footer - (before_footer + format::kSumsPerPage) / (format::kSumsPerPage + 1);
  data_bytes = data_pages * kPageBytes;
  if (data_pages < 2 || data_pages + format::table_pages(data_pages) != before_footer) {
    return damaged(path, "the file's length is not that of a whole file");
  }
  const auto copy = load<format::DirectoryCopy>(page_at(data_pages - 1));
  if (copy.magic != format::kDirectoryMagic || !own_sum_holds(data_pages - 1) ||
      copy.section_count > format::kMaxSections) {
    return damaged(path, "neither the footer nor its copy tells what the file holds");
  }
  return verify_sections(std::span(copy.sections).first(copy.section_count));
}

Status Segment::State::map(Os& os) {
  auto found = os.map_read(path);
  if (!found) {
    Error error = std::move(found).error();
    if (error.code == Errc::not_found) {
      error.code = Errc::missing_file;
      error.message += "; the manifest names this file, restore it from a copy or run repair";
    }
    return std::unexpected(std::move(error));
  }
  mapping = std::move(*found);
  base = mapping->bytes().data();
  return {};
}

Segment::Segment(std::unique_ptr<State> state)
    : state_(std::move(state)),
      base_(state_->base),
      data_bytes_(state_->data_bytes),
      good_(state_->good.words()) {}
Segment::~Segment() = default;

Result<std::shared_ptr<const Segment>> Segment::open(Os& os, const std::string& directory,
                                                     PalaceUuid palace, FileKind kind,
                                                     const SegmentInfo& expected) {
  auto state = std::make_unique<State>();
  State& s = *state;
  s.path = format::segment_path(directory, kind, expected.number);
  s.info = expected;
  s.salt = format::file_salt(palace, kind, expected.number);
  AEON_TRY(s.map(os));
  const std::uint64_t size = s.mapping->bytes().size();
  if (size != expected.bytes || size % kPageBytes != 0 || size < 3 * kPageBytes) {
    return damaged(
        s.path, fmt::format("the file has {} bytes, the manifest says {}", size, expected.bytes));
  }
  AEON_TRY(s.verify_head(palace, kind));
  AEON_TRY(s.verify_footer());
  s.good = PageBits(s.footer_page() + 1);
  s.bad = PageBits(s.footer_page() + 1);
  if (!s.check(0)) return damaged(s.path, "page 0 (offset 0) does not match its sum");
  return std::shared_ptr<const Segment>(new Segment(std::move(state)));
}

Result<std::shared_ptr<const Segment>> Segment::open_damaged(Os& os, const std::string& directory,
                                                             PalaceUuid palace, FileKind kind,
                                                             std::uint64_t number) {
  auto state = std::make_unique<State>();
  State& s = *state;
  s.path = format::segment_path(directory, kind, number);
  s.salt = format::file_salt(palace, kind, number);
  AEON_TRY(s.map(os));
  const std::uint64_t size = s.mapping->bytes().size();
  if (size % kPageBytes != 0 || size < 3 * kPageBytes) {
    return damaged(s.path, fmt::format("the file was cut off at {} bytes", size));
  }
  s.info = {.number = number, .bytes = size};
  const auto head = load<format::Head>(s.base);
  if (head.magic == format::kHeadMagic && head.sum == format::sum_of(head)) {
    s.info.first_commit = head.first_commit;
    s.info.last_commit = head.last_commit;
    AEON_TRY(s.verify_head(palace, kind));
  }
  s.info.footer_sum = load<format::Footer>(s.page_at(s.footer_page())).sum;
  if (!s.verify_footer()) {
    s.info.footer_sum = 0;
    AEON_TRY(s.guess_layout());
  }
  s.good = PageBits(s.footer_page() + 1);
  s.bad = PageBits(s.footer_page() + 1);
  return std::shared_ptr<const Segment>(new Segment(std::move(state)));
}

std::optional<PalaceUuid> Segment::palace_of(Os& os, const std::string& path) {
  const auto mapping = os.map_read(path);
  if (!mapping || (*mapping)->bytes().size() < sizeof(format::Head)) return std::nullopt;
  const auto head = load<format::Head>((*mapping)->bytes().data());
  const bool holds = head.magic == format::kHeadMagic && head.sum == format::sum_of(head);
  return holds ? std::optional(head.palace) : std::nullopt;
}

const SegmentInfo& Segment::info() const noexcept { return state_->info; }
const std::string& Segment::path() const noexcept { return state_->path; }
std::span<const Section> Segment::sections() const noexcept { return state_->sections; }

const Section* Segment::find(SectionKind kind) const noexcept {
  const auto at = std::ranges::find(state_->sections, kind, &Section::kind);
  return at == state_->sections.end() ? nullptr : &*at;
}

const std::byte* Segment::check(std::uint64_t offset, std::uint64_t count) const noexcept {
  State& s = *state_;
  if (!s.in_data(offset, count)) return nullptr;
  if (count != 0) {
    const std::uint64_t last = (offset + count - 1) / kPageBytes;
    if (s.first_damaged(offset / kPageBytes, last) <= last) return nullptr;
  }
  return s.base + offset;
}

Result<std::span<const std::byte>> Segment::read(std::uint64_t offset, std::uint64_t count) const {
  State& s = *state_;
  if (const std::byte* at = checked(offset, count)) return std::span(at, count);
  if (!s.in_data(offset, count)) {
    return damaged(s.path, fmt::format("{} bytes at offset {} lie outside the data ({} bytes)",
                                       count, offset, s.data_bytes));
  }
  const std::uint64_t page =
      s.first_damaged(offset / kPageBytes, (offset + count - 1) / kPageBytes);
  const bool table_holds = s.own_sum_holds(s.table_page_of(page));
  return damaged(s.path, fmt::format("page {} (offset {}) does not match its sum{}; the rest of "
                                     "the file stays readable",
                                     page, page * kPageBytes,
                                     table_holds ? "" : ", and neither does the table of sums"));
}

std::vector<std::uint64_t> Segment::scrub() const {
  State& s = *state_;
  std::vector<std::uint64_t> found;
  const auto note = [&](std::uint64_t page) {
    s.mark_bad(page);
    found.push_back(page);
  };
  for (std::uint64_t page = 0; page < s.data_pages; ++page) {
    if (!s.matches(page)) note(page);
  }
  std::vector<std::uint64_t> own;
  for (std::uint64_t page = s.data_pages; page < s.footer_page(); ++page) {
    own.push_back(load<std::uint64_t>(s.page_at(page) + kPageBytes - sizeof(std::uint64_t)));
    if (!s.own_sum_holds(page)) note(page);
  }
  const bool footer_holds = s.own_sum_holds(s.footer_page()) &&
                            hash64(std::as_bytes(std::span(own)), s.salt) == s.table_sum;
  if (!footer_holds && (found.empty() || !s.own_sum_holds(s.footer_page()))) {
    note(s.footer_page());
  }
  return found;
}

void Segment::compare(std::uint64_t first, std::span<const std::byte> bytes,
                      std::vector<std::uint64_t>& bad) const {
  const State& s = *state_;
  for (std::uint64_t at = 0; at + kPageBytes <= bytes.size(); at += kPageBytes) {
    const std::uint64_t page = first + at / kPageBytes;
    const std::byte* const found = bytes.data() + at;
    const bool good = page < s.data_pages ? s.matches(page, found) : s.own_sum_holds(page, found);
    if (!good) bad.push_back(page);
  }
}

std::uint64_t Segment::damaged_pages() const noexcept {
  return state_->bad_count.load(std::memory_order_relaxed);
}

void Segment::populate() const noexcept {
  State& s = *state_;
  s.mapping->populate();
  for (std::uint64_t page = 0; page < s.data_pages;) {
    page = s.first_damaged(page, s.data_pages - 1) + 1;
  }
}

}  // namespace aeon::storage
