// The bytes of a simulated file, copied on write, so that cloning a machine costs pointers only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace aeon::test {

// Not thread-safe, also not between copies: copies share pages.
class SimImage {
 public:
  static constexpr std::size_t kPage = 4096;

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  // Cuts, or grows with zeros.
  void resize(std::uint64_t size);
  // Grows where needed; a gap reads as zeros.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  // Bytes read: fewer than asked only at the end.
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  using Page = std::array<std::byte, kPage>;
  using Pages = std::vector<std::shared_ptr<Page>>;  // null: zeros

  Pages& own_pages();
  Page& own_page(std::size_t index);

  std::uint64_t size_ = 0;
  std::shared_ptr<Pages> pages_;
};

}  // namespace aeon::test
