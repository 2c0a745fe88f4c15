// BM25 as its definition says it, over plain lists of words.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace aeon::test {

struct OracleDocument {
  std::uint64_t id = 0;
  std::uint64_t order = 0;         // of the commit, then within it
  std::vector<std::string> words;  // count for the length
  std::vector<std::string> extra;  // do not
  [[nodiscard]] std::uint32_t times(const std::string& word) const {
    return static_cast<std::uint32_t>(std::ranges::count(words, word) +
                                      std::ranges::count(extra, word));
  }
};

struct OracleHit {
  std::uint64_t id = 0;
  std::uint64_t order = 0;
  double score = 0;
};

// The length as a search knows it: four significant bits above 31.
inline double coarse(std::size_t length) {
  std::size_t step = 1;
  while (length / step >= 32) step *= 2;
  return static_cast<double>(length / step * step);
}

// Scores of all documents that have one of the words, best first.
inline std::vector<OracleHit> oracle_scores(const std::vector<OracleDocument>& documents,
                                            const std::vector<std::string>& query, double k1,
                                            double b) {
  double total = 0;
  for (const OracleDocument& document : documents) {
    total += static_cast<double>(document.words.size());
  }
  const auto all = static_cast<double>(documents.size());
  const double mean = std::max(1.0, total / std::max(1.0, all));
  const std::set<std::string> words(query.begin(), query.end());
  std::map<std::string, double> weights;
  for (const std::string& word : words) {
    double with = 0;
    for (const OracleDocument& document : documents) with += document.times(word) > 0 ? 1 : 0;
    const auto asked = std::min<double>(4, static_cast<double>(std::ranges::count(query, word)));
    weights[word] = asked * std::log(1 + (all - with + 0.5) / (with + 0.5));
  }
  std::vector<OracleHit> hits;
  for (const OracleDocument& document : documents) {
    double score = 0;
    for (const std::string& word : words) {
      const double times = std::min(255U, document.times(word));
      const double norm = k1 * (1 - b + b * coarse(document.words.size()) / mean);
      if (times > 0) score += weights[word] * times * (k1 + 1) / (times + norm);
    }
    if (score > 0) hits.push_back({document.id, document.order, score});
  }
  std::ranges::sort(hits, [](const OracleHit& left, const OracleHit& right) {
    return left.score != right.score ? left.score > right.score : left.order < right.order;
  });
  return hits;
}

}  // namespace aeon::test
