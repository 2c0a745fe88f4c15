#include "engine/concepts.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/text/mentions.hpp"
#include "engine/text/utf8.hpp"

namespace aeon::engine {

namespace {

class Collector {
 public:
  explicit Collector(PreparedConcepts& out) : out_(out) {}

  // The number of a name that was given; an error when it can't be one.
  Result<std::uint32_t> add_given(std::string_view name, std::string_view what) {
    AEON_TRY(check(name, what));
    concept_key(name, key_);
    if (key_.empty()) {
      return fail(Errc::invalid_argument,
                  fmt::format("{} \"{}\" has no word; give it a name or leave it out", what, name));
    }
    if (key_.size() > kMaxKeyBytes) {
      return fail(Errc::too_large, fmt::format("{} \"{}\" makes a key of {} bytes; at most {} fit",
                                               what, name, key_.size(), kMaxKeyBytes));
    }
    return add(name);
  }

  // Of a name that was found; what can't be one is no name.
  void add_found(std::string_view name) {
    if (found_ == kMostFoundMentions || name.size() > kMaxNameBytes) return;
    concept_key(name, key_);
    if (key_.empty() || key_.size() > kMaxKeyBytes) return;
    const std::size_t before = out_.names.size();
    (void)add(name);
    if (out_.names.size() > before) ++found_;
  }

 private:
  static Status check(std::string_view name, std::string_view what) {
    if (name.size() > kMaxNameBytes) {
      return fail(Errc::too_large,
                  fmt::format("{} has {} bytes; at most {} fit: \"{}...\"", what, name.size(),
                              kMaxNameBytes, truncate_utf8(name, 40)));
    }
    const std::size_t bad = find_invalid_utf8(name);
    if (bad == kValidUtf8) return {};
    return fail(Errc::invalid_utf8, fmt::format("{} is not UTF-8 at byte {}", what, bad));
  }

  std::uint32_t add(std::string_view name) {
    const auto next = static_cast<std::uint32_t>(out_.names.size());
    const auto [at, added] = numbers_.try_emplace(key_, next);
    if (added) out_.names.push_back({key_, std::string(name)});
    return at->second;
  }

  PreparedConcepts& out_;
  boost::unordered_flat_map<std::string, std::uint32_t> numbers_;
  std::string key_;
  std::size_t found_ = 0;
};

Status check_count(std::size_t count, std::string_view what) {
  if (count <= kMaxMentions) return {};
  return fail(Errc::too_large,
              fmt::format("a memory has {} {}; at most {} fit", count, what, kMaxMentions));
}

// Metadata was found to be a JSON object before.
void find_title(std::string_view metadata, Collector& collector) {
  if (metadata.find("title") == std::string_view::npos) return;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(metadata, error);
  if (error || !value.is_object()) return;
  const boost::json::value* const title = value.as_object().if_contains("title");
  if (title == nullptr || !title->is_string()) return;
  const std::string_view name(title->as_string().data(), title->as_string().size());
  if (is_valid_utf8(name)) collector.add_found(without_brackets(name));
}

void find_in_text(const NewMemory& memory, Collector& collector) {
  const ContentType type = memory.payload ? memory.payload->content_type : memory.content_type;
  if (type != ContentType::text) return;
  thread_local std::vector<std::string_view> mentions;
  mentions.clear();
  const std::string_view text = memory.payload ? memory.payload->head : memory.content;
  find_mentions(text, mentions);
  for (const std::string_view mention : mentions) collector.add_found(mention);
}

}  // namespace

void concept_key(std::string_view name, std::string& key) {
  thread_local std::string folded;
  fold_name(name, folded);
  key.clear();
  if (!folded.empty()) key.append(kConceptKeyPrefix).append(folded);
}

Status prepare_concepts(const NewMemory& memory, PreparedConcepts& concepts) {
  if (memory.mentions.empty() && memory.triples.empty() && !memory.find_mentions) return {};
  if (is_concept_key(memory.key)) {
    return fail(Errc::invalid_argument,
                fmt::format("\"{}\" is the key of a concept, which mentions nothing", memory.key));
  }
  AEON_TRY(check_count(memory.mentions.size(), "mentions"));
  AEON_TRY(check_count(memory.triples.size(), "triples"));
  Collector collector(concepts);
  for (const std::string& name : memory.mentions) {
    AEON_ASSIGN([[maybe_unused]] const auto number, collector.add_given(name, "a mention"));
  }
  for (const Triple& triple : memory.triples) {
    AEON_ASSIGN(const auto subject, collector.add_given(triple.subject, "a triple's subject"));
    AEON_ASSIGN(const auto object, collector.add_given(triple.object, "a triple's object"));
    if (triple.relation.empty() || triple.relation.size() > kMaxNameBytes) {
      return fail(
          Errc::invalid_argument,
          fmt::format("the relation of \"{}\" and \"{}\" has {} bytes; give it 1 to {}",
                      triple.subject, triple.object, triple.relation.size(), kMaxNameBytes));
    }
    if (triple.relation == "next") {
      return fail(Errc::invalid_argument,
                  fmt::format("the relation of \"{}\" and \"{}\" is \"next\", which links the "
                              "events of a session; name it otherwise",
                              triple.subject, triple.object));
    }
    if (!is_valid_utf8(triple.relation)) {
      return fail(Errc::invalid_utf8, "a triple's relation is not UTF-8");
    }
    if (subject != object) concepts.relations.push_back({subject, object, triple.relation});
  }
  if (memory.find_mentions) {
    find_title(memory.metadata, collector);
    find_in_text(memory, collector);
  }
  return {};
}

}  // namespace aeon::engine
