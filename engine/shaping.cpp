#include "engine/shaping.hpp"

#include <cmath>

#include "engine/find_row.hpp"
#include "engine/prepare.hpp"
#include "engine/text/utf8.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

// Longer contents have no image of their text: they are not read whole to compare them.
constexpr std::uint64_t kMostImagedBytes = kMaxInlineBytes;

std::uint64_t bytes_of(const VersionRecord& record) noexcept {
  return record.blob ? record.blob->raw_bytes : record.content.size();
}

float length_of(const std::int8_t* codes, std::uint32_t dimension) noexcept {
  return std::sqrt(static_cast<float>(simd::kernels().sums_i8(codes, dimension).sum_of_squares));
}

// The space whose rows are compared; null where the palace has none.
const SpaceInfo* space_for(const Reading& reading, const Query& query) {
  const Catalog& catalog = reading.catalog;
  if (!query.space.empty()) return catalog.find(query.space, reading.commit);
  if (const SpaceInfo* space = catalog.lexical(reading.commit)) return space;
  const SpaceInfo* first = catalog.at(1);
  return first != nullptr && first->born <= reading.commit ? first : nullptr;
}

// All but hits, marks and what they count.
void copy_figures(const Answer& from, Answer& to) {
  to.commit = from.commit;
  to.partial = from.partial;
  to.exact = from.exact;
  to.plan = from.plan;
  to.lookaside = from.lookaside;
  to.rows_scanned = from.rows_scanned;
  to.rows_left = from.rows_left;
  to.postings_scanned = from.postings_scanned;
  to.edges_walked = from.edges_walked;
  to.confidence = from.confidence;
}

}  // namespace

// Room for the largest pool.
Shaper::Shaper() {
  known_.reserve(kMaxK);
  hits_.reserve(kMaxK);
  images_.reserve(kMaxK);
  texts_.reserve(kMaxK);
  choice_.places.reserve(kMaxK);
  choice_.relevance.reserve(kMaxK);
  choice_.nearest.reserve(kMaxK);
  choice_.gone.reserve(kMaxK);
  version_.record.rows.reserve(kMaxSpaces + 1);
}

Shaper& shaper_of_thread() {
  thread_local Shaper instance;
  return instance;
}

Result<bool> Shaper::shape(const Reading& reading, const Query& query, std::uint32_t asked,
                           Answer& answer) {
  copy_figures(pool_, answer);
  answer.hits.clear();
  answer.marks.clear();
  AEON_TRY(look_up(reading, query, answer));
  choose_hits(
      hits_, query.shape, query.k,
      [this](std::uint32_t a, std::uint32_t b) { return similarity(a, b); }, choice_);
  for (const std::uint32_t place : choice_.places) {
    answer.hits.push_back(pool_.hits[known_[place]]);
    if (!pool_.marks.empty()) answer.marks.push_back(pool_.marks[known_[place]]);
  }
  answer.tokens = choice_.tokens;
  const bool enough = answer.hits.size() >= query.k || pool_.hits.size() < asked;
  return enough || !choice_.session_refused || choice_.budget_refused;
}

Status Shaper::look_up(const Reading& reading, const Query& query, Answer& answer) {
  known_.clear();
  hits_.clear();
  images_.clear();
  texts_.clear();
  const bool compares = query.shape.diversity > 0;
  const SpaceInfo* space = compares ? space_for(reading, query) : nullptr;
  bool all = true;
  for (std::uint32_t place = 0; place < pool_.hits.size(); ++place) {
    const Hit& hit = pool_.hits[place];
    const Result<bool> visible = reading.try_version(hit.id, version_);
    if (!visible && visible.error().code != Errc::damaged) {
      return std::unexpected(visible.error());
    }
    if (!visible) answer.partial = true;
    if (!visible || !*visible) continue;
    const VersionRecord& record = version_.record;
    known_.push_back(place);
    hits_.push_back({hit.score, record.session, tokens_of(bytes_of(record))});
    if (!compares) continue;
    find_image(reading, space);
    all = all && images_.back().codes != nullptr;
  }
  return all ? Status{} : embed_texts(reading);
}

// Of the version at hand.
void Shaper::find_image(const Reading& reading, const SpaceInfo* space) {
  Image& image = images_.emplace_back();
  const VersionRecord& record = version_.record;
  const auto name = std::ranges::find_if(record.rows, [&](const RowName& row) {
    return space != nullptr && row.space == space->number;
  });
  if (name == record.rows.end()) return;
  const auto found = find_row(reading, *name, record.tenant);
  if (!found || found->block.dimension != space->spec.dimension) return;
  image.dimension = found->block.dimension;
  image.codes = found->block.codes + found->row * found->block.stride;
  image.length = length_of(image.codes, image.dimension);
}

Status Shaper::embed_texts(const Reading& reading) {
  texts_.resize(known_.size());
  codes_.resize(known_.size() * kLexicalDimension);
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const Result<bool> visible = reading.try_version(pool_.hits[known_[i]].id, version_);
    if (!visible) return std::unexpected(visible.error());
    const VersionRecord& record = version_.record;
    if (!*visible || record.content_type != ContentType::text) continue;
    if (bytes_of(record) > kMostImagedBytes) continue;
    // A text that can't be read is like no other; who reads it is told of the damage.
    std::string_view text;
    if (const auto in_place = reading.view_content(record); in_place && *in_place) {
      text = **in_place;
    } else if (reading.read_content(record, content_)) {
      text = content_;
    }
    const auto values = embed_lexically(truncate_utf8(text, kHeadBytes));
    if (values.empty()) continue;
    quantise_row(values, Precision::int8, row_);
    std::int8_t* codes = codes_.data() + i * kLexicalDimension;
    std::ranges::copy(row_.codes, codes);
    texts_[i] = {codes, length_of(codes, kLexicalDimension), kLexicalDimension};
  }
  return {};
}

float Shaper::similarity(std::uint32_t a, std::uint32_t b) const noexcept {
  const auto cosine = [](const Image& left, const Image& right) {
    const float lengths = left.length * right.length;
    if (lengths <= 0) return 0.0F;
    const std::int32_t dot = simd::kernels().dot_i8(left.codes, right.codes, left.dimension);
    return std::clamp(static_cast<float>(dot) / lengths, 0.0F, 1.0F);
  };
  const Image& left = images_[a];
  const Image& right = images_[b];
  if (left.codes != nullptr && right.codes != nullptr) return cosine(left, right);
  if (texts_[a].codes == nullptr || texts_[b].codes == nullptr) return 0;
  return cosine(texts_[a], texts_[b]);
}

}  // namespace aeon::engine
