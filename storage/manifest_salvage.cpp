#include "storage/manifest_salvage.hpp"

#include "storage/manifest_record.hpp"

namespace aeon::storage {

namespace format = manifest_format;

namespace {

// A record verifies by itself: its hash is bound to its file and place, the head's is not needed.
Status look_at(Os& os, const std::string& path, std::uint64_t number,
               std::optional<ManifestState>& newest) {
  auto file = os.open_file(path, OpenMode::read);
  if (!file) return {};
  AEON_ASSIGN(const std::uint64_t size, (*file)->size());
  std::string page(kPageBytes, '\0');
  AEON_ASSIGN(const std::size_t got, (*file)->read_at(std::as_writable_bytes(std::span(page)), 0));
  page.resize(got);
  const auto head = format::decode_head(page, number, path);
  if (!head && head.error().code == Errc::newer_format) return std::unexpected(head.error());
  for (std::uint64_t at = kPageBytes; at < size; at += kPageBytes) {
    auto record = format::read_record(**file, number, at, size);
    if (!record || !*record) continue;
    auto state = format::decode_state(**record);
    if (!state) continue;
    state->palace = (*record)->head.palace;
    state->sequence = (*record)->head.sequence;
    if (!newest || state->sequence > newest->sequence) newest = std::move(*state);
  }
  return {};
}

}  // namespace

Result<std::optional<ManifestState>> salvage_manifest(Os& os, const std::string& directory) {
  AEON_ASSIGN(const auto names, os.list_directory(directory));
  std::optional<ManifestState> newest;
  for (const std::string& name : names) {
    const std::uint64_t number = file_number(name, "manifest");
    if (number != 0) AEON_TRY(look_at(os, directory + "/" + name, number, newest));
  }
  return newest;
}

}  // namespace aeon::storage
