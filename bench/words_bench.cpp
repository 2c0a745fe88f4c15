// What words cost and how fast they answer: memories of 30 words drawn from a vocabulary whose
// frequencies fall as in a language (Zipf), without vectors.
//
//   words_bench [--memories N] [--queries N] [--dir FOLDER]
//
// Prints JSON lines: "index" compares loading texts with loading the same bytes as bytes, which
// have no words; "query" times questions of five words, in RAM, settled, and settled after a tenth
// of the memories was forgotten. Every answer is counted, so that none is left out by a compiler.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/palace.hpp"

using namespace aeon;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kVocabulary = 100'000;
constexpr std::size_t kWords = 30;
constexpr std::size_t kBatch = 1000;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

class Source {
 public:
  explicit Source(std::uint64_t seed) : random_(seed) {
    double sum = 0;
    for (std::size_t rank = 1; rank <= kVocabulary; ++rank) {
      sum += 1 / static_cast<double>(rank);
      sums_.push_back(sum);
    }
  }
  // Letters only, so that stemming has its say.
  std::string word(std::size_t least = 0) {
    std::uniform_real_distribution<double> uniform(0, sums_.back());
    std::size_t rank = 0;
    do {
      rank = static_cast<std::size_t>(std::ranges::lower_bound(sums_, uniform(random_)) -
                                      sums_.begin());
    } while (rank < least);
    std::string word;
    for (std::size_t n = rank + 17; n > 0; n /= 20) word += "bcdfghklmnprstvwxzjq"[n % 20];
    for (std::size_t i = 1; i < word.size(); i += 2) word.insert(i, 1, "aeiou"[(rank + i) % 5]);
    return word;
  }
  std::string text() {
    std::string text;
    for (std::size_t i = 0; i < kWords; ++i) text += word() + " ";
    return text;
  }

 private:
  std::mt19937_64 random_;
  std::vector<double> sums_;
};

void check(const Status& status) {
  if (status) return;
  fmt::print(stderr, "words_bench: {}\n", status.error().message);
  std::exit(3);
}

// Microseconds a memory, batches made beforehand not counted.
double load(Palace& palace, const std::vector<std::string>& texts, ContentType type) {
  double us = 0;
  for (std::size_t first = 0; first < texts.size(); first += kBatch) {
    Batch batch;
    for (std::size_t i = first; i < std::min(texts.size(), first + kBatch); ++i) {
      NewMemory memory;
      memory.content_type = type;
      memory.content = texts[i];
      batch.remember(std::move(memory));
    }
    const auto start = Clock::now();
    const auto ack = palace.commit(std::move(batch), Durability::none);
    us += us_since(start);
    if (!ack) check(std::unexpected(ack.error()));
  }
  return us / static_cast<double>(texts.size());
}

void ask(const Palace& palace, const std::vector<std::string>& questions, const char* state,
         const Preset& preset) {
  Answer answer;
  std::vector<double> times;
  std::uint64_t hits = 0;
  std::uint64_t postings = 0;
  const Snapshot snapshot = palace.snapshot();
  for (const bool timed : {false, true}) {
    for (const std::string& question : questions) {
      const auto start = Clock::now();
      check(snapshot.recall({.text = question, .preset = preset, .k = 10}, answer));
      if (timed) times.push_back(us_since(start));
      hits += answer.hits.size();
      postings += answer.postings_scanned;
    }
  }
  std::ranges::sort(times);
  fmt::print(
      "{{\"bench\":\"words\",\"part\":\"query\",\"state\":\"{}\",\"preset\":\"{}\","
      "\"queries\":{},\"hits\":{},\"postings_a_query\":{},\"p50_us\":{:.1f},"
      "\"p99_us\":{:.1f}}}\n",
      state, preset.name, questions.size(), hits / 2,
      postings / 2 / std::max<std::size_t>(1, questions.size()), times[times.size() / 2],
      times[times.size() * 99 / 100]);
  std::fflush(stdout);
}

std::uint64_t bytes_of(const Palace& palace) {
  const auto stats = palace.stats();
  return stats ? stats->segment_bytes + stats->blob_bytes : 0;
}

void run(std::size_t memories, std::size_t queries, const std::string& folder) {
  Source source(1);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < memories; ++i) texts.push_back(source.text());
  std::vector<std::string> questions;
  for (std::size_t i = 0; i < queries; ++i) {
    questions.emplace_back();
    for (int word = 0; word < 5; ++word) questions.back() += source.word(20) + " ";
  }
  auto plain = Palace::create(folder + "/bytes", {}, {.background = false});
  auto palace = Palace::create(folder + "/words", {}, {.background = false});
  if (!plain) check(std::unexpected(plain.error()));
  if (!palace) check(std::unexpected(palace.error()));
  const double without = load(*plain, texts, ContentType::bytes);
  const double with = load(*palace, texts, ContentType::text);
  ask(*palace, questions, "in RAM", kWordsPreset);
  check(plain->checkpoint());
  check(palace->checkpoint());
  std::uint64_t text_bytes = 0;
  for (const std::string& text : texts) text_bytes += text.size();
  const double words_bytes = static_cast<double>(bytes_of(*palace) - bytes_of(*plain));
  fmt::print(
      "{{\"bench\":\"words\",\"part\":\"index\",\"memories\":{},\"words_a_memory\":{},"
      "\"us_a_memory\":{:.2f},\"us_a_memory_without_words\":{:.2f},\"text_bytes\":{},"
      "\"bytes_without_words\":{},\"bytes_of_words\":{:.0f}}}\n",
      memories, kWords, with, without, text_bytes, bytes_of(*plain), words_bytes);
  ask(*palace, questions, "settled", kWordsPreset);
  ask(*palace, questions, "settled", kDialoguePreset);
  std::vector<MemoryId> ids;
  check(palace->snapshot().list(0, SIZE_MAX, ids));
  for (std::size_t first = 0; first < ids.size(); first += kBatch) {
    Batch batch;
    for (std::size_t i = first; i < std::min(ids.size(), first + kBatch / 10); ++i) {
      batch.forget(ids[i]);
    }
    const auto ack = palace->commit(std::move(batch), Durability::none);
    if (!ack) check(std::unexpected(ack.error()));
  }
  check(palace->checkpoint());
  ask(*palace, questions, "a tenth forgotten", kWordsPreset);
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t memories = 100'000;
  std::size_t queries = 1000;
  std::string folder = std::filesystem::temp_directory_path().string();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--memories") memories = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--queries") queries = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--dir") folder = argv[i + 1];
  }
  std::string pattern = folder + "/aeon-words-XXXXXX";
  if (memories == 0 || queries == 0 || ::mkdtemp(pattern.data()) == nullptr) {
    fmt::print(stderr, "words_bench: give numbers above 0 and a folder to write to\n");
    return 2;
  }
  run(memories, queries, pattern);
  std::filesystem::remove_all(pattern);
  return 0;
}
