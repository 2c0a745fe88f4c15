// Reads the payloads of one blob file. See blob.hpp for what it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "storage/blob.hpp"
#include "storage/segment.hpp"

namespace aeon::storage {

// All const calls are thread-safe and take no lock. References and file contents are not trusted:
// whatever they hold, a call answers with the payload as it was written or with an error.
class BlobReader {
 public:
  // Over an open blob file. A damaged dictionary or closing is no error here: what does not need
  // them stays readable. Errors: damaged when the file has no section of blobs; no_memory.
  [[nodiscard]] static Result<std::shared_ptr<const BlobReader>> open(
      std::shared_ptr<const Segment> segment);
  ~BlobReader();

  // A raw payload in place, without a copy; valid as long as the Segment. The pages and the
  // record's header are checked, the payload's own hash is not (read and verify do that).
  // Allocates nothing unless it fails. Errors: damaged; invalid_argument when the payload is
  // compressed or lies in another file.
  [[nodiscard]] Result<std::span<const std::byte>> view(const BlobRef& ref) const;

  // Replaces `out` with the payload, decompressed where needed, its hash verified. Allocates
  // nothing when `out` has the capacity and this thread has decompressed before. After an error
  // `out` is empty. Errors: damaged (names file and offset), invalid_argument (another file),
  // no_memory.
  [[nodiscard]] Status read(const BlobRef& ref, std::string& out) const;

  // Checks everything that read() checks, without a copy of a raw payload; `scratch` holds a
  // compressed one.
  [[nodiscard]] Status verify(const BlobRef& ref, std::string& scratch) const;

  [[nodiscard]] const Segment& segment() const noexcept;
  // 0 when the file's closing is damaged.
  [[nodiscard]] std::uint32_t generation() const noexcept;
  [[nodiscard]] bool has_dictionary() const noexcept;

 private:
  friend class BlobCursor;
  struct State;
  explicit BlobReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Walks over all payloads of a file in the order of writing, for collection and verification. Not
// thread-safe; the reader must outlive it.
class BlobCursor {
 public:
  explicit BlobCursor(const BlobReader& reader) noexcept : reader_(reader) {}

  // The next payload, or nothing at the end. A damaged header is one error; the call after it
  // goes on at the next header that verifies (which costs a walk over the bytes between).
  [[nodiscard]] Result<std::optional<BlobRef>> next();

 private:
  const BlobReader& reader_;
  std::uint64_t offset_ = 0;
  bool lost_ = false;
};

}  // namespace aeon::storage
