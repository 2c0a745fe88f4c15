#include "tests/sim/sim_image.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace aeon::test {

SimImage::Pages& SimImage::own_pages() {
  if (!pages_) {
    pages_ = std::make_shared<Pages>();
  } else if (pages_.use_count() > 1) {
    pages_ = std::make_shared<Pages>(*pages_);
  }
  return *pages_;
}

SimImage::Page& SimImage::own_page(std::size_t index) {
  std::shared_ptr<Page>& page = own_pages()[index];
  if (!page) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

void SimImage::resize(std::uint64_t size) {
  if (size == size_) return;
  const std::uint64_t old = std::exchange(size_, size);
  own_pages().resize((size + kPage - 1) / kPage);
  if (size < old && size % kPage != 0 && own_pages().back()) {
    Page& last = own_page(size / kPage);
    std::fill(last.begin() + static_cast<std::ptrdiff_t>(size % kPage), last.end(), std::byte{0});
  }
}

void SimImage::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (offset + bytes.size() > size_) resize(offset + bytes.size());
  while (!bytes.empty()) {
    const std::size_t within = offset % kPage;
    const std::size_t count = std::min(bytes.size(), kPage - within);
    std::memcpy(own_page(offset / kPage).data() + within, bytes.data(), count);
    bytes = bytes.subspan(count);
    offset += count;
  }
}

std::size_t SimImage::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset >= size_) return 0;
  const std::size_t total =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
  for (std::size_t done = 0; done < total;) {
    const std::size_t within = (offset + done) % kPage;
    const std::size_t count = std::min(total - done, kPage - within);
    if (const auto& page = (*pages_)[(offset + done) / kPage]) {
      std::memcpy(out.data() + done, page->data() + within, count);
    } else {
      std::memset(out.data() + done, 0, count);
    }
    done += count;
  }
  return total;
}

}  // namespace aeon::test
