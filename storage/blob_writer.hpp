// Writes one blob file, front to back. See blob.hpp for what it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "storage/blob.hpp"
#include "storage/segment.hpp"

namespace aeon::storage {

enum class Compression : std::uint8_t {
  automatic,  // zstd where it saves a tenth or more
  raw,        // as it is, for zero-copy reading
};

struct BlobOptions {
  std::uint32_t generation = 0;  // 0 is young; survivors of a collection move up
  std::uint64_t first_commit = 0;
  std::uint64_t last_commit = 0;
  std::string_view dictionary = {};  // from train_dictionary, or empty; kept in the file, twice
};

// Not thread-safe. A reference is good once finish() has succeeded, the directory was synced and
// the manifest names the file. After an I/O error every call repeats it: drop the writer, and the
// file is an orphan that the next open removes.
class BlobWriter {
 public:
  // Creates blob-<number>. Errors: already_exists, disk_full, io_error, no_memory;
  // invalid_argument for a dictionary that zstd does not take or that is over 1 MiB.
  [[nodiscard]] static Result<std::unique_ptr<BlobWriter>> create(Os& os,
                                                                  const std::string& directory,
                                                                  PalaceUuid palace,
                                                                  std::uint64_t number,
                                                                  const BlobOptions& options = {});
  ~BlobWriter();

  // Stores a payload of up to kMaxBlobBytes. Payloads above 64 MiB are never compressed. Errors:
  // too_large, I/O errors; invalid_argument while a stream is open.
  [[nodiscard]] Result<BlobRef> append(std::span<const std::byte> payload, Compression compression);

  // A payload in pieces, with the memory of one piece: begin_stream, write_chunk until
  // `total_bytes` have come, end_stream. Stored raw, so that it can be read in place. Errors:
  // too_large, I/O errors; invalid_argument out of order and for too many or too few bytes. A
  // stream cannot be given up alone, only with its file.
  [[nodiscard]] Status begin_stream(std::uint64_t total_bytes);
  [[nodiscard]] Status write_chunk(std::span<const std::byte> chunk);
  [[nodiscard]] Result<BlobRef> end_stream();

  // Bytes of the file so far, about; to decide when it is full.
  [[nodiscard]] std::uint64_t bytes() const noexcept;

  // Completes and syncs the file; the directory is not synced. Once.
  [[nodiscard]] Result<SegmentInfo> finish();

 private:
  struct State;
  explicit BlobWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aeon::storage
