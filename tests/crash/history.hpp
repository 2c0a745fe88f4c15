// What a writer does, as a function of its name and a number: operation n of writer w is the same
// in every process and every run, so a test that knows how many operations took effect knows every
// byte that must be there. Each operation is one commit: a memory under its own key, a link to an
// earlier one, now and then a revision and a forgetting of earlier ones, and a head that says n.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/palace.hpp"

namespace aeon::test {

inline constexpr std::uint32_t kHistoryDimension = 16;
inline constexpr std::string_view kHistorySpace = "v";

// The spaces that a palace of histories needs.
[[nodiscard]] std::vector<SpaceSpec> history_spaces();

struct Operation {
  std::uint64_t number = 0;
  std::optional<std::uint64_t> link;    // from the new memory to this one
  std::optional<std::uint64_t> revise;  // this one gets a new version
  std::optional<std::uint64_t> forget;
  Durability level = Durability::process;
  bool checkpoint = false;  // afterwards
  bool compact = false;
};

class History {
 public:
  // A memory that is alive: who revised it last (its own number: nobody) and what it links to.
  struct Alive {
    std::uint64_t written_by = 0;
    std::optional<std::uint64_t> link;
  };

  explicit History(int writer) : writer_(writer) {}

  [[nodiscard]] int writer() const noexcept { return writer_; }
  [[nodiscard]] std::uint64_t done() const noexcept { return done_; }
  [[nodiscard]] const std::map<std::uint64_t, Alive>& alive() const noexcept { return alive_; }

  // The operation that comes after the ones done.
  [[nodiscard]] Operation next() const;
  void advance();
  void advance_to(std::uint64_t number) {
    while (done_ < number) advance();
  }

  [[nodiscard]] std::string session() const;
  [[nodiscard]] std::string head_key() const;
  [[nodiscard]] std::string key_of(std::uint64_t number) const;
  [[nodiscard]] std::string content_of(std::uint64_t number, std::uint64_t written_by) const;
  [[nodiscard]] std::string metadata_of(std::uint64_t number, std::uint64_t written_by) const;
  [[nodiscard]] std::vector<float> vector_of(std::uint64_t number, std::uint64_t written_by) const;

  // The commit of an operation. `snapshot` must show the operations done so far.
  [[nodiscard]] Result<Batch> batch_of(const Operation& operation, const Snapshot& snapshot) const;

  // How many operations of the writer a snapshot shows.
  [[nodiscard]] static Result<std::uint64_t> done_in(const Snapshot& snapshot, int writer);

 private:
  [[nodiscard]] std::uint64_t random(std::uint64_t number, std::uint64_t use) const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> pick(std::uint64_t random) const;
  [[nodiscard]] NewMemory memory_of(std::uint64_t number, std::uint64_t written_by) const;

  int writer_;
  std::uint64_t done_ = 0;
  std::map<std::uint64_t, Alive> alive_;
};

}  // namespace aeon::test
