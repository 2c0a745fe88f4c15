#include "engine/prepare.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

#include "engine/text/embedder.hpp"
#include "engine/text/utf8.hpp"
#include "graph/keys.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

Status check_name(std::string_view name, std::string_view what, bool may_be_empty) {
  if (name.empty()) {
    if (may_be_empty) return {};
    return fail(Errc::invalid_argument, fmt::format("a {} has no name; give it one", what));
  }
  if (name.size() > kMaxNameBytes) {
    return fail(Errc::too_large, fmt::format("the name of a {} has {} bytes; at most {} fit", what,
                                             name.size(), kMaxNameBytes));
  }
  return check_text(name, what);
}

Status check_metadata(std::string_view metadata) {
  if (metadata.empty()) return {};
  if (metadata.size() > kMaxMetadataBytes) {
    return fail(Errc::too_large, fmt::format("metadata has {} bytes; at most {} fit",
                                             metadata.size(), kMaxMetadataBytes));
  }
  boost::system::error_code error;
  boost::json::monotonic_resource memory;
  const boost::json::value value = boost::json::parse(metadata, error, &memory);
  if (error) {
    return fail(Errc::invalid_json, fmt::format("metadata is not JSON: {}", error.message()));
  }
  if (!value.is_object()) {
    return fail(Errc::invalid_json, "metadata must be a JSON object, such as {\"page\": 3}");
  }
  return {};
}

Status check_interval(TimeNs from, TimeNs to) {
  if (from <= to) return {};
  return fail(Errc::invalid_argument,
              fmt::format("a validity interval ends ({}) before it starts ({})", to, from));
}

Status check_memory(const NewMemory& memory) {
  AEON_TRY(check_name(memory.tenant, "tenant", true));
  AEON_TRY(check_name(memory.session, "session", true));
  AEON_TRY(check_name(memory.kind, "kind", false));
  if (memory.key.size() > kMaxKeyBytes) {
    return fail(Errc::invalid_key,
                fmt::format("a key has {} bytes; at most {} fit", memory.key.size(), kMaxKeyBytes));
  }
  AEON_TRY(check_text(memory.key, "a key"));
  if (memory.key.empty() && memory.mode != PutMode::upsert) {
    return fail(Errc::invalid_key, "put-if-absent and put-if-version need a key; it is empty");
  }
  if (memory.content.size() > kMaxInlineBytes) {
    return fail(Errc::too_large,
                fmt::format("content has {} bytes; at most {} fit into a commit: store it ahead as "
                            "a payload",
                            memory.content.size(), kMaxInlineBytes));
  }
  if (memory.payload && !memory.content.empty()) {
    return fail(Errc::invalid_argument, "a memory has content and a payload; give one of them");
  }
  if (memory.content_type == ContentType::text) AEON_TRY(check_text(memory.content, "text"));
  AEON_TRY(check_metadata(memory.metadata));
  AEON_TRY(check_interval(memory.valid_from, memory.valid_to));
  if (!std::isfinite(memory.importance) || memory.importance < 0 || memory.importance > 1) {
    return fail(Errc::invalid_argument,
                fmt::format("importance {} is not within 0..1", memory.importance));
  }
  return {};
}

Status check_space(const SpaceSpec& spec) {
  AEON_TRY(check_name(spec.name, "space", false));
  AEON_TRY(check_name(spec.model, "model", true));
  if (spec.dimension < 1 || spec.dimension > kMaxDimension) {
    return fail(Errc::wrong_dimension, fmt::format("space \"{}\": dimension {} is not within 1..{}",
                                                   spec.name, spec.dimension, kMaxDimension));
  }
  if (spec.metric < Metric::cosine || spec.metric > Metric::l2 ||
      spec.precision < Precision::int8 || spec.precision > Precision::float32) {
    return fail(Errc::invalid_argument,
                fmt::format("space \"{}\": unknown metric or precision", spec.name));
  }
  if (spec.model == kLexicalModel && spec.dimension != kLexicalDimension) {
    return fail(Errc::wrong_dimension, fmt::format("space \"{}\": model {} makes {} dimensions",
                                                   spec.name, kLexicalModel, kLexicalDimension));
  }
  return {};
}

// The spaces a batch can name: those that exist and those that it makes before.
class KnownSpaces {
 public:
  KnownSpaces(const Catalog& catalog, CommitNumber commit) : catalog_(catalog), commit_(commit) {}
  Status add(const SpaceSpec& spec) {
    if (find(spec.name) != nullptr) {
      return fail(Errc::already_exists, fmt::format("a space is named \"{}\" already", spec.name));
    }
    made_.push_back(&spec);
    return {};
  }
  [[nodiscard]] const SpaceSpec* find(std::string_view name) const {
    for (const SpaceSpec* spec : made_) {
      if (spec->name == name) return spec;
    }
    const SpaceInfo* info = catalog_.find(name, commit_);
    return info == nullptr ? nullptr : &info->spec;
  }
  [[nodiscard]] const SpaceSpec* lexical() const {
    if (const SpaceInfo* info = catalog_.lexical(commit_)) return &info->spec;
    for (const SpaceSpec* spec : made_) {
      if (spec->model == kLexicalModel) return spec;
    }
    return nullptr;
  }

 private:
  const Catalog& catalog_;
  const CommitNumber commit_;
  std::vector<const SpaceSpec*> made_;
};

Status prepare_row(const SpaceSpec& spec, std::span<const float> values,
                   std::vector<PreparedRow>& rows) {
  for (const PreparedRow& row : rows) {
    if (row.space == spec.name) {
      return fail(Errc::invalid_argument,
                  fmt::format("a memory has two vectors for space \"{}\"; give one", spec.name));
    }
  }
  PreparedRow& prepared = rows.emplace_back();
  prepared.space = spec.name;
  quantise_row(values, spec.precision, prepared.row);
  return {};
}

Status prepare_rows(const NewMemory& memory, const KnownSpaces& spaces,
                    std::vector<PreparedRow>& rows) {
  if (is_concept_key(memory.key)) return {};
  for (const NewVector& vector : memory.vectors) {
    const SpaceSpec* spec = spaces.find(vector.space);
    if (spec == nullptr) {
      return fail(Errc::unknown_space,
                  fmt::format("no space is named \"{}\"; create it first", vector.space));
    }
    AEON_TRY(check_vector(vector.values, vector.model, *spec, "the vector"));
    AEON_TRY(prepare_row(*spec, vector.values, rows));
  }
  const SpaceSpec* lexical = spaces.lexical();
  const ContentType type = memory.payload ? memory.payload->content_type : memory.content_type;
  if (!memory.embed || lexical == nullptr || type != ContentType::text) return {};
  for (const PreparedRow& row : rows) {
    if (row.space == lexical->name) return {};
  }
  const std::span<const float> values =
      embed_lexically(memory.payload ? memory.payload->head : memory.content);
  return values.empty() ? Status{} : prepare_row(*lexical, values, rows);
}

Status prepare_words(const NewMemory& memory, MemoryWords& words) {
  const auto language = language_of(memory.language);
  if (!language) {
    return fail(Errc::invalid_argument, fmt::format("no language is named \"{}\"; there are: {}",
                                                    memory.language, language_list()));
  }
  if (is_concept_key(memory.key)) return {};
  const ContentType type = memory.payload ? memory.payload->content_type : memory.content_type;
  const std::string_view text = memory.payload ? memory.payload->head : memory.content;
  find_words({.text = type == ContentType::text ? text : std::string_view{},
              .metadata = memory.metadata,
              .session = memory.session,
              .kind = memory.kind,
              .language = *language},
             words);
  return {};
}

Status check_edge(const NewEdge& edge) {
  AEON_TRY(check_name(edge.type, "edge type", false));
  AEON_TRY(check_interval(edge.valid_from, edge.valid_to));
  if (!std::isfinite(edge.weight)) {
    return fail(Errc::not_finite, fmt::format("the weight of a {} edge is not finite", edge.type));
  }
  return {};
}

// Checks one operation and quantises its vectors.
struct OperationCheck {
  KnownSpaces& spaces;
  std::vector<PreparedRow>& rows;
  MemoryWords& words;
  PreparedConcepts& concepts;
  Status operator()(const SpaceSpec& spec) const {
    AEON_TRY(check_space(spec));
    return spaces.add(spec);
  }
  Status operator()(const CreateTenant& tenant) const {
    return check_name(tenant.name, "tenant", false);
  }
  Status operator()(const NewMemory& memory) const {
    AEON_TRY(check_memory(memory));
    AEON_TRY(prepare_words(memory, words));
    AEON_TRY(prepare_concepts(memory, concepts));
    return prepare_rows(memory, spaces, rows);
  }
  Status operator()(const Supersede& supersede) const {
    AEON_TRY(check_memory(supersede.next));
    AEON_TRY(prepare_words(supersede.next, words));
    AEON_TRY(prepare_concepts(supersede.next, concepts));
    return prepare_rows(supersede.next, spaces, rows);
  }
  Status operator()(const Forget&) const { return {}; }
  Status operator()(const Erase&) const { return {}; }
  Status operator()(const SetHistory& history) const {
    if (history.keep >= 0) return {};
    return fail(Errc::invalid_argument,
                "history can't be kept for less than no time; give 0 or "
                "more nanoseconds");
  }
  Status operator()(const NewEdge& edge) const { return check_edge(edge); }
  Status operator()(const Unlink& edge) const { return check_name(edge.type, "edge type", false); }
};

// About what an operation takes in the commit's record.
struct RecordSize {
  static constexpr std::size_t kFixed = 96;
  static constexpr std::size_t kLinkBytes = 128;
  static constexpr std::size_t kConceptBytes = 256;  // with an edge
  const std::vector<PreparedRow>& rows;
  const MemoryWords& words;
  const PreparedConcepts& concepts;
  std::size_t operator()(const NewMemory& memory) const {
    std::size_t bytes =
        2 * kFixed + memory.content.size() + memory.metadata.size() + 2 * memory.key.size();
    for (const MemoryWords::Term& term : words.terms) bytes += 2 + std::size_t{term.length};
    for (const PreparedRow& row : rows) {
      bytes += kFixed + row.row.codes.size() + row.row.precise.size() + kLinkBytes;
    }
    bytes += concepts.names.size() * kConceptBytes + concepts.relations.size() * kFixed;
    return bytes;
  }
  std::size_t operator()(const Supersede& supersede) const { return (*this)(supersede.next); }
  template <typename Small>
  std::size_t operator()(const Small&) const {
    return kFixed;
  }
};

}  // namespace

Status check_text(std::string_view text, std::string_view where) {
  const std::size_t bad = find_invalid_utf8(text);
  if (bad == kValidUtf8) return {};
  return fail(Errc::invalid_utf8, fmt::format("{} is not UTF-8 at byte {}; convert it, or store it "
                                              "as bytes",
                                              where, bad));
}

Status check_vector(std::span<const float> values, std::string_view model, const SpaceSpec& spec,
                    std::string_view where) {
  if (values.size() != spec.dimension) {
    return fail(Errc::wrong_dimension,
                fmt::format("{} has {} dimensions; space \"{}\" has {}", where, values.size(),
                            spec.name, spec.dimension));
  }
  if (model != spec.model) {
    return fail(Errc::model_mismatch,
                fmt::format("{} was made by model \"{}\"; space \"{}\" takes vectors of \"{}\"",
                            where, model, spec.name, spec.model));
  }
  const simd::Kernels& kernels = simd::kernels();
  if (!kernels.all_finite_f32(values.data(), values.size())) {
    const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
    return fail(Errc::not_finite,
                fmt::format("{} holds NaN or infinity at index {}", where, bad - values.begin()));
  }
  const float largest = kernels.max_abs_f32(values.data(), values.size());
  if (largest == 0 && spec.metric == Metric::cosine) {
    return fail(Errc::zero_vector, fmt::format("{} is zero and has no direction; space \"{}\" "
                                               "compares by cosine",
                                               where, spec.name));
  }
  if (largest != 0 && (largest < kSmallestMagnitude || largest > kLargestMagnitude)) {
    return fail(Errc::invalid_argument,
                fmt::format("{}: its largest component {} is not within {}..{}; rescale it", where,
                            largest, kSmallestMagnitude, kLargestMagnitude));
  }
  return {};
}

std::span<const float> embed_lexically(std::string_view text) {
  thread_local LexicalEmbedder embedder;
  thread_local LexicalVector vector;
  const auto embedded = embedder.embed(text);
  if (!embedded) return {};
  vector = *embedded;
  return vector;
}

Result<PreparedBatch> prepare(Batch batch, const Catalog& catalog, CommitNumber commit) {
  if (batch.empty()) {
    return fail(Errc::invalid_argument, "the batch is empty; a commit needs an operation");
  }
  if (batch.operations().size() > kMaxBatchOperations) {
    return fail(Errc::too_large, fmt::format("a batch of {} operations; at most {} fit",
                                             batch.operations().size(), kMaxBatchOperations));
  }
  PreparedBatch prepared;
  prepared.batch = std::move(batch);
  prepared.rows.resize(prepared.batch.operations().size());
  prepared.words.resize(prepared.batch.operations().size());
  prepared.concepts.resize(prepared.batch.operations().size());
  prepared.reclaiming = true;
  KnownSpaces spaces(catalog, commit);
  std::size_t index = 0;
  for (const Batch::Operation& operation : prepared.batch.operations()) {
    AEON_TRY(std::visit(OperationCheck{spaces, prepared.rows[index], prepared.words[index],
                                       prepared.concepts[index]},
                        operation));
    prepared.reclaiming = prepared.reclaiming && (std::holds_alternative<Forget>(operation) ||
                                                  std::holds_alternative<Erase>(operation));
    prepared.payload_bytes += std::visit(
        RecordSize{prepared.rows[index], prepared.words[index], prepared.concepts[index]},
        operation);
    ++index;
  }
  return prepared;
}

}  // namespace aeon::engine
