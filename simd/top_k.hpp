// The k best (score, index) pairs of a stream, highest score first; of equal scores the lower index
// is better, so the answer does not depend on the order of the stream.
//
// A heap with the worst kept pair on top lives in storage that the caller owns; k is its size, and
// nothing is ever allocated. Once the heap is full, a block of scores is first compared with the
// worst kept one by a kernel that finds the few scores above it, so a scan costs little more
// than reading its scores. For distances, offer them negated.
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "simd/kernels.hpp"

namespace aeon::simd {

template <class Score>
struct Scored {
  Score score;
  std::uint32_t index;

  friend bool operator==(const Scored&, const Scored&) = default;
};

// Score is std::int32_t or float. A NaN is never kept. Not thread-safe; one owner.
template <class Score>
class TopK {
  static_assert(std::is_same_v<Score, std::int32_t> || std::is_same_v<Score, float>);

 public:
  using Entry = Scored<Score>;

  // Keeps at most storage.size() pairs (0 keeps none); the storage must outlive this object.
  explicit TopK(std::span<Entry> storage, const Kernels& table = kernels()) noexcept
      : storage_(storage), table_(&table) {}

  void clear() noexcept { size_ = 0; }
  std::size_t size() const noexcept { return size_; }
  bool full() const noexcept { return size_ == storage_.size(); }

  // The worst kept pair; only when size() > 0.
  const Entry& worst() const noexcept {
    assert(size_ > 0);
    return storage_.front();
  }

  // Considers one pair; says whether it was kept. O(log k) if so, else O(1).
  bool offer(Score score, std::uint32_t index) noexcept {
    const Entry entry{score, index};
    if (is_nan(score) || storage_.empty()) return false;
    const auto begin = storage_.begin();
    if (!full()) {
      storage_[size_++] = entry;
      std::push_heap(begin, begin + signed_size(), better);
      return true;
    }
    if (!better(entry, storage_.front())) return false;
    sift_down(entry);
    return true;
  }

  // Considers scores[i] with index first_index + i for all i < count.
  void offer_block(const Score* scores, std::size_t count, std::uint32_t first_index) noexcept {
    if (storage_.empty()) return;
    std::size_t i = 0;
    for (; i < count && !full(); ++i) offer(scores[i], index_at(first_index, i));
    while (i < count) {
      const std::size_t block = std::min(kBlock, count - i);
      offer_full(scores + i, block, index_at(first_index, i));
      i += block;
    }
  }

  // Orders the kept pairs, best first, and returns them. Then clear() before offering more.
  std::span<const Entry> sort() noexcept {
    std::sort_heap(storage_.begin(), storage_.begin() + signed_size(), better);
    return storage_.first(size_);
  }

 private:
  static constexpr std::size_t kBlock = 256;

  static bool better(const Entry& a, const Entry& b) noexcept {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
  }
  static bool is_nan(Score score) noexcept {
    if constexpr (std::is_same_v<Score, float>) return std::isnan(score);
    return false;
  }
  static std::uint32_t index_at(std::uint32_t first, std::size_t i) noexcept {
    return first + static_cast<std::uint32_t>(i);
  }
  std::ptrdiff_t signed_size() const noexcept { return static_cast<std::ptrdiff_t>(size_); }

  // Replaces the worst pair, which sits on top, and restores the heap.
  void sift_down(Entry entry) noexcept {
    std::size_t hole = 0;
    for (std::size_t child = 1; child < size_; child = 2 * hole + 1) {
      if (child + 1 < size_ && better(storage_[child], storage_[child + 1])) ++child;
      if (!better(entry, storage_[child])) break;
      storage_[hole] = storage_[child];
      hole = child;
    }
    storage_[hole] = entry;
  }

  void offer_full(const Score* scores, std::size_t count, std::uint32_t first_index) noexcept {
    const Entry worst = storage_.front();
    Score threshold = worst.score;
    if (first_index < worst.index) {
      // An equal score may win by its lower index, so the threshold steps down to let it through.
      if (threshold <= std::numeric_limits<Score>::lowest()) {
        for (std::size_t i = 0; i < count; ++i) offer(scores[i], index_at(first_index, i));
        return;
      }
      threshold = next_below(threshold);
    }
    std::uint32_t positions[kBlock];
    const std::size_t found = select(scores, count, threshold, positions);
    for (std::size_t i = 0; i < found; ++i) {
      offer(scores[positions[i]], first_index + positions[i]);
    }
  }

  static Score next_below(Score score) noexcept {
    if constexpr (std::is_same_v<Score, float>) {
      return std::nextafter(score, -std::numeric_limits<float>::infinity());
    } else {
      return score - 1;
    }
  }
  std::size_t select(const Score* scores, std::size_t count, Score threshold,
                     std::uint32_t* positions) const noexcept {
    if constexpr (std::is_same_v<Score, float>) {
      return table_->select_above_f32(scores, count, threshold, positions);
    } else {
      return table_->select_above_i32(scores, count, threshold, positions);
    }
  }

  std::span<Entry> storage_;
  std::size_t size_ = 0;
  const Kernels* table_;
};

}  // namespace aeon::simd
