// The spaces of a palace. They are few and never vanish, so the list only grows: readers walk it
// without protection, wait-free.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/model.hpp"
#include "storage/published_count.hpp"

namespace aeon::engine {

inline constexpr std::uint32_t kMaxSpaces = 256;

struct SpaceInfo {
  std::uint32_t number = 0;  // from 1
  CommitNumber born = 0;     // the commit that made it
  SpaceSpec spec;
};

class Catalog {
 public:
  // Writer only. Numbers must come in order from 1.
  void add(SpaceInfo space) {
    spaces_[count_.own()] = std::make_unique<const SpaceInfo>(std::move(space));
    count_.publish_next();
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_.load(); }
  // By number from 1; null when there is none.
  [[nodiscard]] const SpaceInfo* at(std::uint32_t number) const noexcept {
    return number >= 1 && number <= count() ? spaces_[number - 1].get() : nullptr;
  }
  // By name, among the spaces born by `commit`; null when there is none.
  [[nodiscard]] const SpaceInfo* find(std::string_view name, CommitNumber commit) const noexcept {
    for (std::uint32_t i = 0, n = count(); i < n; ++i) {
      if (spaces_[i]->spec.name == name && spaces_[i]->born <= commit) return spaces_[i].get();
    }
    return nullptr;
  }
  // The space that a query or text without a named space goes to: the built-in embedder's.
  [[nodiscard]] const SpaceInfo* lexical(CommitNumber commit) const noexcept {
    for (std::uint32_t i = 0, n = count(); i < n; ++i) {
      if (spaces_[i]->spec.model == kLexicalModel && spaces_[i]->born <= commit) {
        return spaces_[i].get();
      }
    }
    return nullptr;
  }

 private:
  storage::PublishedCount<std::uint32_t> count_;
  std::array<std::unique_ptr<const SpaceInfo>, kMaxSpaces> spaces_;
};

}  // namespace aeon::engine
