// A zstd dictionary for the short payloads of one blob file. Texts of a few hundred bytes hold
// too little to compress alone; what they share goes into the dictionary once.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace aeon::storage {

// Trains on half of `samples` and measures on the other half, so that the gain is not learned by
// heart. A dictionary comes back only when it pays: when what it saves, scaled to
// `expected_bytes` of payloads (0: the samples are all there is), is more than its own two copies
// in the file. Uses at most 2 MiB of the samples, spread evenly; takes up to a few seconds.
// Thread-safe.
[[nodiscard]] std::optional<std::string> train_dictionary(std::span<const std::string_view> samples,
                                                          std::uint64_t expected_bytes = 0);

}  // namespace aeon::storage
