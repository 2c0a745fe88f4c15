// The rest of run_tail.hpp: searching and inserting. Included where the template is instantiated:
// run_tail.cpp, and tests with Atomics of their own.
#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "storage/key_order.hpp"
#include "storage/run_format.hpp"
#include "storage/run_tail.hpp"

namespace aeon::storage {

namespace run_tail_insert {

// The search is bound by cache misses. While a node's key is on its way, the one that follows on
// the level below is fetched as well; it is next whenever the key turns out not to be less.
template <typename Node>
void prefetch_below(const Node& at, unsigned level) noexcept {
  // Relaxed: the address is only a hint here.
  if (level > 0) __builtin_prefetch(at.link(level - 1).load(std::memory_order_relaxed));
}

}  // namespace run_tail_insert

template <typename Atomics>
BasicRunTail<Atomics>::BasicRunTail(std::size_t reserve_bytes) noexcept : arena_(reserve_bytes) {
  static_assert(offsetof(Head, node) == sizeof(Link) * kMaxHeight);
  static_assert(sizeof(Node) == 8 && alignof(Node) <= alignof(Link));
  for (Path& finger : fingers_) finger.fill(&head_.node);
}

template <typename Atomics>
void BasicRunTail<Atomics>::Cursor::seek_first() noexcept {
  node_ = tail_->head_.node.link(0).load(std::memory_order_acquire);  // (2)
}

template <typename Atomics>
void BasicRunTail<Atomics>::Cursor::seek(std::string_view key) noexcept {
  node_ = tail_->lower_bound(key);
}

template <typename Atomics>
auto BasicRunTail<Atomics>::lower_bound(std::string_view key) const noexcept -> const Node* {
  const Node* at = &head_.node;
  const Node* known_not_less = nullptr;
  // Relaxed: any height is right, a level that is not linked yet is merely empty.
  for (unsigned level = height_.load(std::memory_order_relaxed); level-- > 0;) {
    for (;;) {
      // (2) synchronizes-with (1): a node that is reached is filled in.
      const Node* const next = at->link(level).load(std::memory_order_acquire);
      if (next == known_not_less) break;
      run_tail_insert::prefetch_below(*at, level);
      if (next == nullptr || compare_keys(next->key(), key) >= 0) {
        known_not_less = next;
        break;
      }
      at = next;
    }
  }
  // On level 0 the last link that was read led there, so it was the nearest at that moment.
  return known_not_less;
}

// The writer's own search. Its loads are relaxed: it stored all links itself, or took the tail
// over from the writer before in a way that orders their inserts.
template <typename Atomics>
void BasicRunTail<Atomics>::find_path(std::string_view key, Path& path) noexcept {
  Node* at = &head_.node;
  const Node* known_not_less = nullptr;
  for (unsigned level = kMaxHeight; level-- > 0;) {
    for (;;) {
      Node* const next = at->link(level).load(std::memory_order_relaxed);
      if (next == nullptr || next == known_not_less) break;
      run_tail_insert::prefetch_below(*at, level);
      if (compare_keys(next->key(), key) >= 0) {
        known_not_less = next;
        break;
      }
      at = next;
    }
    path[level] = at;
  }
}

// Moves a path on to `key` on the levels below `height`, where that takes a step or two on each.
// False when the key lies elsewhere; the path is of no use then. Only level 0's node is compared:
// those above it do not lie right of it.
template <typename Atomics>
bool BasicRunTail<Atomics>::advance(Path& path, std::string_view key, unsigned height) noexcept {
  constexpr unsigned kMostSteps = 2;
  if (path[0] != &head_.node && compare_keys(path[0]->key(), key) >= 0) return false;
  for (unsigned level = 0; level < height; ++level) {
    for (unsigned steps = 0;; ++steps) {
      Node* const next = path[level]->link(level).load(std::memory_order_relaxed);
      if (next == nullptr || compare_keys(next->key(), key) >= 0) break;
      if (steps == kMostSteps) return false;
      path[level] = next;
    }
  }
  return true;
}

template <typename Atomics>
unsigned BasicRunTail<Atomics>::random_height() noexcept {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  // Two bits a level.
  const std::uint64_t bits = random_ >> 16 | std::uint64_t{1} << 40;
  const auto zeros = static_cast<unsigned>(std::countr_zero(bits));
  return std::min(kMaxHeight, 1 + zeros / 2);
}

template <typename Atomics>
auto BasicRunTail<Atomics>::make_node(std::string_view key, std::string_view value,
                                      unsigned height) noexcept -> Node* {
  const std::size_t before = sizeof(Link) * height;
  std::byte* const memory =
      arena_.allocate(before + sizeof(Node) + key.size() + value.size(), alignof(Link));
  if (memory == nullptr) return nullptr;
  for (std::size_t at = 0; at < before; at += sizeof(Link)) new (memory + at) Link(nullptr);
  auto* const node = new (memory + before)
      Node{static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size())};
  std::byte* const data = memory + before + sizeof(Node);
  std::memcpy(data, key.data(), key.size());
  if (!value.empty()) std::memcpy(data + key.size(), value.data(), value.size());
  return node;
}

template <typename Atomics>
Status BasicRunTail<Atomics>::insert(std::string_view key, std::string_view value) {
  if (key.empty()) return fail(Errc::invalid_argument, "a run key must not be empty");
  if (key.size() > run_format::kMaxKeyBytes || value.size() > run_format::kMaxValueBytes) {
    return fail(Errc::too_large, fmt::format("a run entry of {} key and {} value bytes is over the "
                                             "limit of {} and {}",
                                             key.size(), value.size(), run_format::kMaxKeyBytes,
                                             run_format::kMaxValueBytes));
  }
  const unsigned height = random_height();
  Path& path = fingers_[static_cast<unsigned char>(key.front()) % kFingers];
  if (!advance(path, key, height)) find_path(key, path);
  const Node* const after = path[0]->link(0).load(std::memory_order_relaxed);
  if (after != nullptr && after->key() == key) {
    return fail(Errc::already_exists, "a run tail holds that key already");
  }
  Node* const node = make_node(key, value, height);
  if (node == nullptr) {
    return fail(Errc::no_memory,
                fmt::format("no memory for a run entry of {} bytes", key.size() + value.size()));
  }
  // Relaxed: only this writer stores it, and readers need no order with it.
  if (height > height_.load(std::memory_order_relaxed)) {
    height_.store(height, std::memory_order_relaxed);
  }
  for (unsigned level = 0; level < height; ++level) {
    Link& before = path[level]->link(level);
    node->link(level).store(before.load(std::memory_order_relaxed), std::memory_order_relaxed);
    before.store(node, std::memory_order_release);  // (1) synchronizes-with (2)
  }
  entries_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

}  // namespace aeon::storage
