// Texts: embedding, folding and cutting them, and the blob arena they live in. Prints one JSON
// object a line; each carries a hash of what was computed. "--smoke" runs everything once, small.
//
// With AEON_BENCH_TEXTS naming a file, its lines are the texts; else they are made up.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "engine/text/embedder.hpp"
#include "engine/text/passages.hpp"
#include "storage/blob_dictionary.hpp"
#include "storage/blob_reader.hpp"
#include "storage/blob_writer.hpp"

namespace {

using namespace aeon;
using namespace aeon::storage;

constexpr std::uint64_t kSeed = 20240611;

struct Options {
  std::size_t texts = 20000;
  int rounds = 5;
};

// Seconds of the fastest of `rounds` runs.
template <typename Work>
double fastest(int rounds, Work work) {
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

// Words with a Zipf-like tail, so that compression and features are about as in real text.
std::string made_up(std::size_t bytes, std::mt19937_64& random) {
  static constexpr char kVowels[] = "aeiou";
  static constexpr char kConsonants[] = "bcdfghklmnprstvw";
  std::string text;
  while (text.size() < bytes) {
    const double draw = static_cast<double>(random() >> 11) * 0x1p-53;
    std::uint64_t word = static_cast<std::uint64_t>(20000 * draw * draw * draw);
    do {
      text.push_back(kConsonants[word % 16]);
      text.push_back(kVowels[word / 16 % 5]);
      word /= 80;
    } while (word > 0);
    text += random() % 12 == 0 ? ". " : " ";
  }
  text.resize(bytes);
  return text;
}

std::vector<std::string> load_texts(std::size_t count) {
  std::vector<std::string> texts;
  if (const char* path = std::getenv("AEON_BENCH_TEXTS")) {
    std::ifstream file(path);
    for (std::string line; texts.size() < count && std::getline(file, line);) {
      if (engine::is_valid_utf8(line)) texts.push_back(line);
    }
  }
  if (!texts.empty()) return texts;
  std::mt19937_64 random(kSeed);
  while (texts.size() < count) texts.push_back(made_up(100 + random() % 900, random));
  return texts;
}

std::uint64_t total_bytes(const std::vector<std::string>& texts) {
  std::uint64_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  return bytes;
}

void bench_embedder(const std::vector<std::string>& texts, int rounds) {
  engine::LexicalEmbedder embedder;
  std::uint64_t proof = 0;
  const double seconds = fastest(rounds, [&] {
    proof = 0;
    for (const std::string& text : texts) {
      if (const auto vector = embedder.embed(text)) {
        proof = hash64(std::as_bytes(std::span(*vector)), proof);
      }
    }
  });
  const auto bytes = static_cast<double>(total_bytes(texts));
  fmt::print(
      "{{\"bench\":\"embed\",\"model\":\"{}\",\"texts\":{},\"mean_bytes\":{:.0f},"
      "\"ns_per_text\":{:.0f},\"us_per_500_bytes\":{:.1f},\"proof\":\"{:016x}\"}}\n",
      engine::kLexicalModel, texts.size(), bytes / static_cast<double>(texts.size()),
      seconds * 1e9 / static_cast<double>(texts.size()), seconds * 1e6 / bytes * 500, proof);
}

void bench_passages(const std::vector<std::string>& texts, int rounds) {
  std::string document;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    document += fmt::format("{}{}\n\n", i % 5 == 0 ? "## Part\n" : "", texts[i]);
  }
  std::size_t count = 0;
  const double seconds = fastest(rounds, [&] {
    const auto passages = engine::split_passages(document, engine::DocumentFormat::markdown);
    count = passages ? passages->size() : 0;
  });
  fmt::print("{{\"bench\":\"passages\",\"bytes\":{},\"passages\":{},\"mb_per_s\":{:.0f}}}\n",
             document.size(), count, static_cast<double>(document.size()) / seconds / 1e6);
}

struct Arena {
  std::string directory;
  std::uint64_t next = 1;
};

bool bench_blobs(Arena& arena, const std::vector<std::string>& texts, const Options& options,
                 std::string_view name, Compression compression, std::string_view dictionary) {
  std::vector<BlobRef> refs;
  SegmentInfo info;
  Status status;
  const double append = fastest(options.rounds, [&] {
    refs.clear();
    auto writer = BlobWriter::create(real_os(), arena.directory, PalaceUuid{1, 2}, arena.next++,
                                     {.dictionary = dictionary});
    if (!writer) return void(status = std::unexpected(writer.error()));
    for (const std::string& text : texts) {
      auto ref = (*writer)->append(as_bytes(text), compression);
      if (!ref) return void(status = std::unexpected(ref.error()));
      refs.push_back(*ref);
    }
    auto finished = (*writer)->finish();
    if (!finished) return void(status = std::unexpected(finished.error()));
    info = *finished;
  });
  if (!status) return fmt::print(stderr, "text_bench: {}\n", status.error().message), false;
  auto segment = Segment::open(real_os(), arena.directory, {1, 2}, FileKind::blob, info);
  if (!segment) return fmt::print(stderr, "text_bench: {}\n", segment.error().message), false;
  auto reader = BlobReader::open(*segment);
  if (!reader) return fmt::print(stderr, "text_bench: {}\n", reader.error().message), false;
  std::ranges::shuffle(refs, std::mt19937_64(kSeed));
  std::string out;
  std::uint64_t proof = 0;
  std::size_t failed = 0;
  const double read = fastest(options.rounds, [&] {
    proof = 0;
    for (const BlobRef& ref : refs) {
      if (!(*reader)->read(ref, out)) ++failed;
      proof += out.empty() ? 0 : static_cast<unsigned char>(out.back());
    }
  });
  const double view = fastest(options.rounds, [&] {
    for (const BlobRef& ref : refs) {
      if (blob_encoding(ref.flags) != BlobEncoding::raw) continue;
      if (const auto bytes = (*reader)->view(ref)) proof += bytes->size();
    }
  });
  std::uint64_t stored = 0;
  std::size_t raw = 0;
  for (const BlobRef& ref : refs) {
    stored += ref.stored_bytes;
    raw += blob_encoding(ref.flags) == BlobEncoding::raw ? 1 : 0;
  }
  const auto count = static_cast<double>(texts.size());
  fmt::print(
      "{{\"bench\":\"blob\",\"form\":\"{}\",\"raw_bytes\":{},\"stored_bytes\":{},"
      "\"file_bytes\":{},\"dictionary_bytes\":{},\"append_ns\":{:.0f},\"read_ns\":{:.0f},"
      "\"view_ns\":{:.0f},\"viewed\":{},\"failed\":{},\"proof\":\"{:016x}\"}}\n",
      name, total_bytes(texts), stored, info.bytes, dictionary.size(), append * 1e9 / count,
      read * 1e9 / count, raw == 0 ? 0 : view * 1e9 / static_cast<double>(raw), raw, failed, proof);
  return failed == 0;
}

int run(const Options& options) {
  const std::vector<std::string> texts = load_texts(options.texts);
  bench_embedder(texts, options.rounds);
  bench_passages(texts, options.rounds);
  const std::vector<std::string_view> samples(texts.begin(), texts.end());
  std::optional<std::string> dictionary;
  const double training = fastest(1, [&] { dictionary = train_dictionary(samples); });
  fmt::print("{{\"bench\":\"train_dictionary\",\"seconds\":{:.3f},\"bytes\":{}}}\n", training,
             dictionary ? dictionary->size() : 0);
  std::string directory =
      (std::filesystem::temp_directory_path() / "aeon-text-bench-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 3;
  Arena arena{directory};
  bool good = bench_blobs(arena, texts, options, "raw", Compression::raw, {});
  good = bench_blobs(arena, texts, options, "zstd", Compression::automatic, {}) && good;
  if (dictionary) {
    good = bench_blobs(arena, texts, options, "zstd+dictionary", Compression::automatic,
                       *dictionary) &&
           good;
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (argc > 1 && std::string_view(argv[1]) == "--smoke") options = {.texts = 300, .rounds = 1};
  return run(options);
}
