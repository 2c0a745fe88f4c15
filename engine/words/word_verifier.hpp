// verify's part for words: the documents and postings of a palace are those that the texts of its
// visible memories give, each exactly once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/view.hpp"
#include "engine/words/memory_words.hpp"

namespace aeon::engine {

class WordVerifier {
 public:
  explicit WordVerifier(const Reading& reading) : reading_(reading) {}

  // A visible version and its whole content. Returns what does not hold, in words, or nothing.
  [[nodiscard]] std::string check_version(MemoryId id, CommitNumber version,
                                          const VersionRecord& record, std::string_view content);
  // After all visible versions: the same of the index as a whole.
  [[nodiscard]] std::vector<std::string> check_index();

 private:
  void add_posting(std::uint32_t tenant, std::string_view term, std::uint32_t document,
                   std::uint8_t times, std::uint64_t& sum);
  void read_tails(std::uint64_t& sum);
  void read_segments(std::uint64_t& sum, std::vector<std::string>& wrong);
  [[nodiscard]] const Document* find_document(std::uint32_t number, bool& damaged) const;

  const Reading& reading_;
  std::unordered_map<std::uint32_t, std::uint32_t> named_;  // document -> tenant
  std::map<std::uint32_t, WordCounts> counts_;              // by tenant
  std::uint64_t expected_ = 0;                              // sum over the postings there must be
  MemoryWords words_;
  std::string encoded_;
};

}  // namespace aeon::engine
