#include "storage/scrubber.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace aeon::storage {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
static_assert(kPieceBytes % kPageBytes == 0 && kPageBytes % kDeviceReadBytes == 0);

// Memory that a device may write to.
class Piece {
 public:
  Piece() : bytes_(static_cast<std::byte*>(std::aligned_alloc(kDeviceReadBytes, kPieceBytes))) {
    if (bytes_ == nullptr) throw std::bad_alloc();
  }
  ~Piece() { std::free(bytes_); }
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;
  [[nodiscard]] std::span<std::byte> first(std::size_t bytes) { return {bytes_, bytes}; }

 private:
  std::byte* bytes_;
};

}  // namespace

Result<bool> Scrubber::step(std::span<const Item> items, Place& place, std::uint64_t most_bytes,
                            const std::atomic<bool>& stop) {
  forget(items, place);
  Piece piece;
  std::uint64_t left = std::max<std::uint64_t>(most_bytes / kPageBytes, 1);  // pages
  for (const Item& item : items) {
    if (item.key < place.key) continue;
    if (item.key > place.key) place = {item.key, 0};
    const std::uint64_t pages = item.file->info().bytes / kPageBytes;
    auto file = os_.open_file(item.file->path(), OpenMode::read_device);
    if (!file && file.error().code == Errc::not_found) continue;  // its place was taken by others
    if (!file) return std::unexpected(std::move(file).error());
    while (place.page < pages) {
      if (left == 0 || stop.load(std::memory_order_relaxed)) return false;
      const std::uint64_t count = std::min({left, kPieceBytes / kPageBytes, pages - place.page});
      read_piece(item, **file, place.page, piece.first(count * kPageBytes));
      place.page += count;
      left -= count;
    }
  }
  place = {};
  const MutexLock lock(mutex_);
  ++findings_.passes;
  return true;
}

// Drops what was found in files that are gone, and in those that are read anew.
void Scrubber::forget(std::span<const Item> items, const Place& place) {
  const MutexLock lock(mutex_);
  const auto is_old = [&](const BadPage& bad) {
    const bool is_there = std::ranges::binary_search(items, bad.key, {}, &Item::key);
    const bool comes_again =
        bad.key > place.key || (bad.key == place.key && bad.page >= place.page);
    return !is_there || comes_again;
  };
  const std::size_t old = std::erase_if(findings_.bad, is_old);
  findings_.bad_pages -= old;
  if (findings_.bad.empty()) findings_.bad_pages = 0;
}

// A piece that can't be read is read page by page.
void Scrubber::read_piece(const Item& item, const File& file, std::uint64_t first,
                          std::span<std::byte> piece) {
  const auto got = file.read_at(piece, first * kPageBytes);
  if (got && *got == piece.size()) {
    std::vector<std::uint64_t> bad;
    item.file->compare(first, piece, bad);
    for (const std::uint64_t page : bad) {
      note(item, page, "the page does not match its sum on the device");
    }
  } else if (piece.size() > kPageBytes) {
    for (std::size_t at = 0; at < piece.size(); at += kPageBytes) {
      read_piece(item, file, first + at / kPageBytes, piece.subspan(at, kPageBytes));
    }
    return;
  } else {
    note(item, first, got ? "the file ends before the page" : got.error().message);
  }
  const MutexLock lock(mutex_);
  findings_.bytes += piece.size();
}

void Scrubber::note(const Item& item, std::uint64_t page, std::string what) {
  const MutexLock lock(mutex_);
  ++findings_.bad_pages;
  if (findings_.bad.size() == kMostNamed) return;
  findings_.bad.push_back({item.key, item.file->path(), page, std::move(what)});
}

Scrubber::Findings Scrubber::findings() const {
  const MutexLock lock(mutex_);
  return findings_;
}

}  // namespace aeon::storage
