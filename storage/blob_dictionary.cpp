#include "storage/blob_dictionary.hpp"

#include <zdict.h>

#include <algorithm>
#include <vector>

#include "storage/blob_compressor.hpp"

namespace aeon::storage {
namespace {

constexpr std::size_t kMostSampled = std::size_t{2} << 20;
constexpr std::size_t kFewestSamples = 16;
constexpr std::size_t kSizes[] = {std::size_t{4} << 10, std::size_t{16} << 10,
                                  std::size_t{64} << 10};

struct Halves {
  std::string training;  // one after another, as ZDICT wants them
  std::vector<std::size_t> training_sizes;
  std::vector<std::string_view> measured;
  std::uint64_t measured_bytes = 0;
};

// Every `stride`-th pair of samples of the sizes that a dictionary is used for.
Halves halve(std::span<const std::string_view> samples, std::uint64_t total) {
  Halves halves;
  const std::size_t stride = static_cast<std::size_t>(total / kMostSampled) + 1;
  bool train = true;
  for (std::size_t i = 0; i < samples.size(); i += stride) {
    const std::string_view sample = samples[i];
    if (sample.size() < BlobCompressor::kLeastCompressed ||
        sample.size() > BlobCompressor::kMostWithDictionary) {
      continue;
    }
    if (train) {
      halves.training += sample;
      halves.training_sizes.push_back(sample.size());
    } else {
      halves.measured.push_back(sample);
      halves.measured_bytes += sample.size();
    }
    train = !train;
  }
  return halves;
}

// Bytes that the measured half takes in a file; nothing when `dictionary` is of no use to zstd.
std::optional<std::uint64_t> stored_bytes(const Halves& halves, std::string_view dictionary) {
  auto compressor = BlobCompressor::create(dictionary);
  if (!compressor) return std::nullopt;
  std::uint64_t bytes = 0;
  for (const std::string_view sample : halves.measured) {
    bytes += blob_format::padded((*compressor)->choose(as_bytes(sample)).bytes.size());
  }
  return bytes;
}

std::string train(const Halves& halves, std::size_t size) {
  std::string dictionary(size, '\0');
  const std::size_t trained = ZDICT_trainFromBuffer(
      dictionary.data(), dictionary.size(), halves.training.data(), halves.training_sizes.data(),
      static_cast<unsigned>(halves.training_sizes.size()));
  dictionary.resize(ZDICT_isError(trained) ? 0 : trained);
  return dictionary;
}

}  // namespace

std::optional<std::string> train_dictionary(std::span<const std::string_view> samples,
                                            std::uint64_t expected_bytes) {
  std::uint64_t total = 0;
  for (const std::string_view sample : samples) total += sample.size();
  const Halves halves = halve(samples, total);
  if (halves.measured.size() < kFewestSamples) return std::nullopt;
  const auto plain = stored_bytes(halves, {});
  if (!plain) return std::nullopt;
  const double scale = static_cast<double>(expected_bytes == 0 ? total : expected_bytes) /
                       static_cast<double>(halves.measured_bytes);
  std::optional<std::string> best;
  double best_gain = 0;
  for (const std::size_t size : kSizes) {
    if (size > halves.training.size()) break;
    std::string dictionary = train(halves, size);
    if (dictionary.empty()) continue;
    const auto stored = stored_bytes(halves, dictionary);
    if (!stored || *stored >= *plain) continue;
    const auto copies = 2 * blob_format::record_bytes(kBlobDictionary, dictionary.size());
    const double gain = static_cast<double>(*plain - *stored) * scale - static_cast<double>(copies);
    if (gain > best_gain) {
      best_gain = gain;
      best = std::move(dictionary);
    }
  }
  return best;
}

}  // namespace aeon::storage
