// Reads settled files again from the device, a piece at a time, so that what rots unread is found
// while a copy may still have it. Memory mapped by readers is neither read nor touched: a page that
// they have was checked when it came.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/mutex.hpp"
#include "storage/os.hpp"
#include "storage/segment.hpp"

namespace aeon::storage {

class Scrubber {
 public:
  // Files are read by ascending key; a key belongs to one file for ever.
  struct Item {
    std::uint64_t key = 0;
    std::shared_ptr<const Segment> file;
  };
  // Where a pass goes on. A file that is not there any more is passed over.
  struct Place {
    std::uint64_t key = 0;
    std::uint64_t page = 0;
  };
  struct BadPage {
    std::uint64_t key = 0;
    std::string path;
    std::uint64_t page = 0;
    std::string what;  // one sentence
  };
  struct Findings {
    std::uint64_t bytes = 0;  // read so far
    std::uint64_t passes = 0;
    std::uint64_t bad_pages = 0;  // of the files that the last step was given
    std::vector<BadPage> bad;     // the first kMostNamed of them
  };
  static constexpr std::size_t kMostNamed = 1000;

  explicit Scrubber(Os& os) : os_(os) {}

  // Reads on from `place`, which it moves, until `most_bytes` are read, `stop` is set or the last
  // of `items` (ascending by key) has ended; true in that case: `place` is the beginning again.
  // One caller at a time. Errors: those of opening a file, which is read next time.
  [[nodiscard]] Result<bool> step(std::span<const Item> items, Place& place,
                                  std::uint64_t most_bytes, const std::atomic<bool>& stop);
  // Any thread; does not wait for a step.
  [[nodiscard]] Findings findings() const;

 private:
  void forget(std::span<const Item> items, const Place& place);
  void read_piece(const Item& item, const File& file, std::uint64_t first,
                  std::span<std::byte> piece);
  void note(const Item& item, std::uint64_t page, std::string what);

  Os& os_;
  mutable Mutex mutex_;
  Findings findings_ AEON_GUARDED_BY(mutex_);
};

}  // namespace aeon::storage
