#include "engine/control.hpp"

#include <array>

#include <fmt/format.h>

namespace aeon::engine {

namespace {
constexpr std::uint64_t kMagic = 0x6c72'7463'6e6f'6561;  // "aeonctrl"
constexpr std::uint32_t kVersion = 3;
constexpr std::string_view kName = "control";
constexpr std::size_t kHexDigits = 16;

std::string fresh_name(std::uint64_t random) { return fmt::format("{}.{:016x}", kName, random); }

bool is_fresh_name(std::string_view name) {
  if (!name.starts_with(kName) || name.size() != kName.size() + 1 + kHexDigits) return false;
  return name[kName.size()] == '.' &&
         name.find_first_not_of("0123456789abcdef", kName.size() + 1) == std::string_view::npos;
}

// The file gets its name when it is complete, and never over another one: a process that is late
// must not clear what those who were faster share.
Status make_file(storage::Os& os, const std::string& directory, const std::string& path) {
  const std::string fresh = directory + "/" + fresh_name(os.random_u64());
  AEON_ASSIGN(const auto file, os.open_file(fresh, storage::OpenMode::create));
  Status made = file->write_at(std::array<std::byte, storage::kPageBytes>{}, 0);
  if (made) made = file->sync();  // else power loss may leave the name without the bytes
  if (made) made = os.link(fresh, path);
  static_cast<void>(os.unlink(fresh));
  if (made) return {};
  const Errc code = made.error().code;
  // Not found: somebody was alone with the palace, who has a control file, and cleared this away.
  const bool there = code == Errc::already_exists || (code == Errc::not_found && os.exists(path));
  return there ? Status{} : made;
}

}  // namespace

Result<std::unique_ptr<Control>> Control::open(storage::Os& os, const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, kName);
  std::unique_ptr<Control> control(new Control);
  if (!os.exists(path)) AEON_TRY(make_file(os, directory, path));
  AEON_ASSIGN(control->file_, os.open_file(path, storage::OpenMode::read_write));
  AEON_ASSIGN(const std::uint64_t bytes, control->file_->size());
  if (bytes < storage::kPageBytes) {
    return fail(Errc::damaged,
                fmt::format("{} has {} bytes of {}; it holds nothing of value: remove it while no "
                            "process has the palace open",
                            path, bytes, storage::kPageBytes));
  }
  AEON_ASSIGN(control->mapping_, os.map_shared(path, storage::kPageBytes));
  control->block_ = reinterpret_cast<ControlBlock*>(control->mapping_->writable().data());
  return control;
}

Status Control::remove_unfinished(storage::Os& os, const std::string& directory) {
  AEON_ASSIGN(const auto names, os.list_directory(directory));
  for (const std::string& name : names) {
    if (!is_fresh_name(name)) continue;
    const Status gone = os.unlink(directory + "/" + name);
    if (!gone && gone.error().code != Errc::not_found) return gone;
  }
  return {};
}

void Control::reset(storage::Os& os, storage::PalaceUuid palace, std::uint64_t written,
                    std::uint64_t durable, std::uint64_t manifest_sequence) {
  block_->magic = kMagic;
  block_->version = kVersion;
  block_->boot = os.boot_id();
  block_->palace = palace.low;
  block_->durable.store(durable, std::memory_order_relaxed);
  block_->manifest_sequence.store(manifest_sequence, std::memory_order_relaxed);
  block_->sleepers.store(0, std::memory_order_relaxed);
  for (auto& wish : block_->wishes) wish.store(0, std::memory_order_relaxed);
  block_->turns_passed.store(0, std::memory_order_relaxed);
  block_->writing.store(0, std::memory_order_relaxed);
  block_->kept.store(0, std::memory_order_relaxed);
  block_->poisoned.store(0, std::memory_order_relaxed);
  block_->closed.store(0, std::memory_order_relaxed);
  block_->written.store(written, std::memory_order_release);  // (1)
  // (8) synchronizes-with (9): whoever sees the recovery ended sees what it set up.
  block_->recovering.store(0, std::memory_order_release);
}

bool Control::valid(storage::Os& os, storage::PalaceUuid palace) const {
  return block_->magic == kMagic && block_->version == kVersion && block_->boot == os.boot_id() &&
         block_->palace == palace.low;
}

}  // namespace aeon::engine
