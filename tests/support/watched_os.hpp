// The real machine with an eye on it: a hook hears of every call that opens or changes something or
// takes a lock, before it is made. It may stop the process there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/os.hpp"

namespace aeon::test {

class WatchedOs : public storage::Os {
 public:
  // The call's name ("write", "sync", "create", "open", "open_to_write", "map_shared", "lock",
  // "rename", "link", "unlink", "make_directory", "sync_directory") and the path it is about.
  using Hook = std::function<void(std::string_view call, const std::string& path)>;
  explicit WatchedOs(Hook hook) : hook_(std::move(hook)) {}

  Result<std::unique_ptr<storage::File>> open_file(const std::string& path,
                                                   storage::OpenMode mode) override;
  Result<std::unique_ptr<storage::Mapping>> map_read(const std::string& path) override {
    return real_.map_read(path);
  }
  Result<std::unique_ptr<storage::Mapping>> map_shared(const std::string& path,
                                                       std::size_t size) override {
    hook_("map_shared", path);
    return real_.map_shared(path, size);
  }
  Status make_directory(const std::string& path) override {
    hook_("make_directory", path);
    return real_.make_directory(path);
  }
  Result<std::vector<std::string>> list_directory(const std::string& path) override {
    return real_.list_directory(path);
  }
  bool exists(const std::string& path) override { return real_.exists(path); }
  Status rename(const std::string& from, const std::string& to) override {
    hook_("rename", from);
    return real_.rename(from, to);
  }
  Status link(const std::string& from, const std::string& to) override {
    hook_("link", from);
    return real_.link(from, to);
  }
  Status unlink(const std::string& path) override {
    hook_("unlink", path);
    return real_.unlink(path);
  }
  Status sync_directory(const std::string& path) override {
    hook_("sync_directory", path);
    return real_.sync_directory(path);
  }
  std::int64_t wall_time_ns() override { return real_.wall_time_ns(); }
  std::int64_t monotonic_ns() override { return real_.monotonic_ns(); }
  std::uint64_t random_u64() override { return real_.random_u64(); }
  std::uint64_t boot_id() override { return real_.boot_id(); }
  std::uint32_t process_id() override { return real_.process_id(); }
  void wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
               std::int64_t timeout_ns) override {
    real_.wait_on(word, expected, timeout_ns);
  }
  void wake_all(std::atomic<std::uint32_t>& word) override { real_.wake_all(word); }

 private:
  storage::Os& real_ = storage::real_os();
  Hook hook_;
};

}  // namespace aeon::test
