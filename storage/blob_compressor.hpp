// zstd for the payloads of one blob file, with or without a dictionary, and the choice between
// compressed and raw. What BlobWriter and train_dictionary share.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "storage/blob.hpp"
#include "storage/result.hpp"

namespace aeon::storage {

// Not thread-safe. Holds zstd's working memory (about 1 MiB) and an output buffer.
class BlobCompressor {
 public:
  // `dictionary` may be empty; it is copied. Errors: no_memory; invalid_argument when zstd does
  // not take it.
  [[nodiscard]] static Result<std::unique_ptr<BlobCompressor>> create(std::string_view dictionary);
  ~BlobCompressor();

  struct Stored {
    BlobEncoding encoding;
    std::span<const std::byte> bytes;  // valid until the next call; for raw, `payload` itself
  };
  // The form to store: raw below kLeastCompressed and above kMostCompressed bytes, and where zstd
  // saves less than a tenth. The dictionary is used up to kMostWithDictionary bytes.
  [[nodiscard]] Stored choose(std::span<const std::byte> payload);

  static constexpr std::size_t kLeastCompressed = 64;
  static constexpr std::size_t kMostCompressed = std::size_t{64} << 20;
  static constexpr std::size_t kMostWithDictionary = std::size_t{64} << 10;
  static constexpr int kLevel = 3;

 private:
  struct State;
  explicit BlobCompressor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aeon::storage
