#include "tests/support/watched_os.hpp"

namespace aeon::test {

namespace {

class WatchedFile final : public storage::File {
 public:
  WatchedFile(std::unique_ptr<storage::File> file, std::string path, const WatchedOs::Hook& hook)
      : file_(std::move(file)), path_(std::move(path)), hook_(hook) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::uint64_t offset) const override {
    return file_->read_at(buffer, offset);
  }
  Status write_at(std::span<const std::byte> bytes, std::uint64_t offset) override {
    hook_("write", path_);
    return file_->write_at(bytes, offset);
  }
  void begin_sync(std::uint64_t offset, std::uint64_t bytes) noexcept override {
    file_->begin_sync(offset, bytes);
  }
  Status sync() override {
    hook_("sync", path_);
    return file_->sync();
  }
  Result<std::uint64_t> size() const override { return file_->size(); }
  void drop_cache() override { file_->drop_cache(); }
  Result<bool> try_lock(std::uint64_t offset, storage::LockMode mode) override {
    hook_("lock", path_);
    return file_->try_lock(offset, mode);
  }
  Status lock(std::uint64_t offset, storage::LockMode mode) override {
    hook_("lock", path_);
    return file_->lock(offset, mode);
  }
  void unlock(std::uint64_t offset) override { file_->unlock(offset); }

 private:
  std::unique_ptr<storage::File> file_;
  std::string path_;
  const WatchedOs::Hook& hook_;
};

std::string_view name_of(storage::OpenMode mode) {
  switch (mode) {
    case storage::OpenMode::read:
    case storage::OpenMode::read_device: return "open";
    case storage::OpenMode::read_write: return "open_to_write";
    case storage::OpenMode::create:
    case storage::OpenMode::open_or_create: return "create";
  }
  return "open";
}

}  // namespace

Result<std::unique_ptr<storage::File>> WatchedOs::open_file(const std::string& path,
                                                            storage::OpenMode mode) {
  hook_(name_of(mode), path);
  AEON_ASSIGN(auto file, real_.open_file(path, mode));
  return std::make_unique<WatchedFile>(std::move(file), path, hook_);
}

}  // namespace aeon::test
