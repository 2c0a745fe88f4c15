// The part of a sorted run that is still growing: a skip list in RAM. One writer inserts; readers
// walk it at the same time without a lock and never see half an entry. Nodes live in an arena, so
// keys and values stay where they are until the whole tail goes.
//
// Keys tend to arrive in ascending order within a table (the first byte of a key), or before the
// one that came last: a newer version of the same thing. The tail remembers, per table, what the
// last insert went behind, and goes on from there; only a key that belongs elsewhere costs a search
// from the top.
//
// What is not needed on the reader's way is in run_tail_insert.hpp, which run_tail.cpp
// instantiates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/arena.hpp"
#include "storage/atomics.hpp"
#include "storage/result.hpp"

namespace aeon::storage {

template <typename Atomics>
class BasicRunTail {
  template <typename T>
  using Atomic = typename Atomics::template Atomic<T>;
  struct Node;

 public:
  // Walks the entries in key order. A small value; lives no longer than its tail. Any thread, also
  // during inserts: an entry inserted before the cursor was placed is met, a later one may be.
  class Cursor {
   public:
    Cursor() = default;
    explicit Cursor(const BasicRunTail& tail) noexcept : tail_(&tail) {}

    void seek_first() noexcept;
    // To the first entry whose key is not less than `key`. Expected O(log entries).
    void seek(std::string_view key) noexcept;
    // Wait-free. Only when valid().
    void next() noexcept;
    [[nodiscard]] bool valid() const noexcept { return node_ != nullptr; }
    // Views live as long as the tail. Only when valid().
    [[nodiscard]] std::string_view key() const noexcept;
    [[nodiscard]] std::string_view value() const noexcept;

   private:
    const BasicRunTail* tail_ = nullptr;
    const Node* node_ = nullptr;
  };

  // `reserve_bytes` of address space are set aside at the first insert (arena.hpp).
  explicit BasicRunTail(std::size_t reserve_bytes) noexcept;
  BasicRunTail(const BasicRunTail&) = delete;
  BasicRunTail& operator=(const BasicRunTail&) = delete;

  // Copies key and value in. One writer at a time. Errors: already_exists when the key is there,
  // invalid_argument for an empty key, too_large over run_format's limits, no_memory; after an
  // error the tail is as before.
  [[nodiscard]] Status insert(std::string_view key, std::string_view value);

  // Any thread.
  [[nodiscard]] std::uint64_t entries() const noexcept {
    return entries_.load(std::memory_order_relaxed);  // a figure, nothing is read through it
  }
  // What the tail holds from the system.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof *this + arena_.committed_bytes();
  }
  // What its entries take of that; grows with every insert.
  [[nodiscard]] std::size_t used_bytes() const noexcept { return arena_.used_bytes(); }

 private:
  using Link = Atomic<Node*>;
  // One level in four nodes of the level below: 4^12 nodes before the top gets crowded.
  static constexpr unsigned kMaxHeight = 12;
  static constexpr std::size_t kFingers = 32;
  using Path = std::array<Node*, kMaxHeight>;  // per level the last node before a key

  // The links of a node lie before it, level 0 next to it, and the key after it, so that a step
  // on the lowest level and the start of the key share a cache line.
  struct Node {
    std::uint32_t key_bytes;
    std::uint32_t value_bytes;

    [[nodiscard]] Link& link(unsigned level) noexcept {
      return *(reinterpret_cast<Link*>(this) - 1 - level);
    }
    [[nodiscard]] const Link& link(unsigned level) const noexcept {
      return *(reinterpret_cast<const Link*>(this) - 1 - level);
    }
    [[nodiscard]] std::string_view key() const noexcept {
      return {reinterpret_cast<const char*>(this + 1), key_bytes};
    }
    [[nodiscard]] std::string_view value() const noexcept {
      return {reinterpret_cast<const char*>(this + 1) + key_bytes, value_bytes};
    }
  };
  // The node before all keys; it has no key of its own.
  struct Head {
    std::array<Link, kMaxHeight> links{};
    Node node{0, 0};
  };

  [[nodiscard]] const Node* lower_bound(std::string_view key) const noexcept;
  void find_path(std::string_view key, Path& path) noexcept;
  [[nodiscard]] bool advance(Path& path, std::string_view key, unsigned height) noexcept;
  [[nodiscard]] unsigned random_height() noexcept;
  [[nodiscard]] Node* make_node(std::string_view key, std::string_view value,
                                unsigned height) noexcept;

  Arena arena_;
  Head head_;
  Atomic<unsigned> height_{1};  // levels in use
  Atomic<std::uint64_t> entries_{0};
  std::array<Path, kFingers> fingers_;         // writer only
  std::uint64_t random_ = 0x9e3779b97f4a7c15;  // writer only
};

template <typename Atomics>
inline void BasicRunTail<Atomics>::Cursor::next() noexcept {
  // (2) synchronizes-with (1) in insert().
  node_ = node_->link(0).load(std::memory_order_acquire);
}
template <typename Atomics>
inline std::string_view BasicRunTail<Atomics>::Cursor::key() const noexcept {
  return node_->key();
}
template <typename Atomics>
inline std::string_view BasicRunTail<Atomics>::Cursor::value() const noexcept {
  return node_->value();
}

using RunTail = BasicRunTail<StdAtomics>;
extern template class BasicRunTail<StdAtomics>;

}  // namespace aeon::storage
