#include "engine/control.hpp"

#include <array>

namespace aeon::engine {

namespace {
constexpr std::uint64_t kMagic = 0x6c72'7463'6e6f'6561;  // "aeonctrl"
constexpr std::uint32_t kVersion = 2;
}  // namespace

Result<std::unique_ptr<Control>> Control::open(storage::Os& os, const std::string& directory) {
  const std::string path = directory + "/control";
  std::unique_ptr<Control> control(new Control);
  AEON_ASSIGN(control->file_, os.open_file(path, storage::OpenMode::open_or_create));
  AEON_ASSIGN(const std::uint64_t bytes, control->file_->size());
  if (bytes < storage::kPageBytes) {
    // Zeroes over zeroes when two processes do this at once.
    const std::array<std::byte, storage::kPageBytes> zeros{};
    AEON_TRY(control->file_->write_at(std::span(zeros).subspan(bytes), bytes));
  }
  AEON_ASSIGN(control->mapping_, os.map_shared(path, storage::kPageBytes));
  control->block_ = reinterpret_cast<ControlBlock*>(control->mapping_->writable().data());
  return control;
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
  block_->turn_wanted_ns.store(0, std::memory_order_relaxed);
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
