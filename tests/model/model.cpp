#include "tests/model/model.hpp"

#include <algorithm>
#include <cmath>

namespace aeon::test {

namespace {

using Refusal = std::optional<Errc>;

// Test texts are ASCII, or broken with this byte.
bool is_utf8(std::string_view text) { return text.find('\xff') == std::string_view::npos; }

bool has_word(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return std::isalnum(c) != 0; });
}

Refusal bad_name(std::string_view name, bool may_be_empty) {
  if (name.empty() && !may_be_empty) return Errc::invalid_argument;
  if (name.size() > 255) return Errc::too_large;
  return is_utf8(name) ? Refusal{} : Errc::invalid_utf8;
}

// Test metadata is written by one hand: what is broken has no closing brace or is no object.
Refusal bad_metadata(const std::string& metadata) {
  if (metadata.size() > 65'536) return Errc::too_large;
  const bool object = metadata.empty() || (metadata.front() == '{' && metadata.back() == '}');
  return object ? Refusal{} : Errc::invalid_json;
}

Refusal bad_fields(const NewMemory& memory) {
  for (const auto& [name, may_be_empty] :
       {std::pair(&memory.tenant, true), {&memory.session, true}, {&memory.kind, false}}) {
    if (const Refusal bad = bad_name(*name, may_be_empty)) return bad;
  }
  if (memory.key.size() > 1024) return Errc::invalid_key;
  if (!is_utf8(memory.key)) return Errc::invalid_utf8;
  if (memory.key.empty() && memory.mode != PutMode::upsert) return Errc::invalid_key;
  if (memory.content.size() > 262'144) return Errc::too_large;
  if (memory.content_type == ContentType::text && !is_utf8(memory.content)) {
    return Errc::invalid_utf8;
  }
  if (const Refusal bad = bad_metadata(memory.metadata)) return bad;
  if (memory.valid_from > memory.valid_to) return Errc::invalid_argument;
  if (!(memory.importance >= 0 && memory.importance <= 1)) return Errc::invalid_argument;
  return {};
}

Refusal bad_vector(const NewVector& vector, const SpaceSpec& spec) {
  if (vector.values.size() != spec.dimension) return Errc::wrong_dimension;
  if (vector.model != spec.model) return Errc::model_mismatch;
  float largest = 0;
  for (const float value : vector.values) {
    if (!std::isfinite(value)) return Errc::not_finite;
    largest = std::max(largest, std::fabs(value));
  }
  if (largest == 0) return spec.metric == Metric::cosine ? Errc::zero_vector : Refusal{};
  return largest < 1e-15F || largest > 1e15F ? Errc::invalid_argument : Refusal{};
}

Refusal bad_space(const SpaceSpec& spec) {
  if (const Refusal bad = bad_name(spec.name, false)) return bad;
  return spec.dimension < 1 || spec.dimension > 4096 ? Errc::wrong_dimension : Refusal{};
}

// What is wrong with an operation whatever the palace holds; spaces of the batch count.
class StaticCheck {
 public:
  explicit StaticCheck(const Model& model) : spaces_(model.spaces) {}
  Refusal operator()(const SpaceSpec& spec) {
    if (const Refusal bad = bad_space(spec)) return bad;
    if (find(spec.name) != spaces_.end()) return Errc::already_exists;
    spaces_.push_back(spec);
    return {};
  }
  Refusal operator()(const CreateTenant& tenant) { return bad_name(tenant.name, false); }
  Refusal operator()(const NewMemory& memory) {
    if (const Refusal bad = bad_fields(memory)) return bad;
    std::set<std::string> spaces;
    for (const NewVector& vector : memory.vectors) {
      const auto spec = find(vector.space);
      if (spec == spaces_.end()) return Errc::unknown_space;
      if (const Refusal bad = bad_vector(vector, *spec)) return bad;
      if (!spaces.insert(vector.space).second) return Errc::invalid_argument;
    }
    return {};
  }
  Refusal operator()(const Supersede& supersede) { return (*this)(supersede.next); }
  Refusal operator()(const Forget&) { return {}; }
  Refusal operator()(const Erase&) { return {}; }
  Refusal operator()(const SetHistory& history) {
    return history.keep < 0 ? Refusal(Errc::invalid_argument) : Refusal{};
  }
  Refusal operator()(const NewEdge& edge) {
    if (const Refusal bad = bad_name(edge.type, false)) return bad;
    if (edge.valid_from > edge.valid_to) return Errc::invalid_argument;
    return std::isfinite(edge.weight) ? Refusal{} : Errc::not_finite;
  }
  Refusal operator()(const Unlink& edge) { return bad_name(edge.type, false); }

 private:
  std::vector<SpaceSpec>::iterator find(const std::string& name) {
    return std::ranges::find(spaces_, name, &SpaceSpec::name);
  }
  std::vector<SpaceSpec> spaces_;
};

// Carries the operations of one commit out, in order, up to the first that can't be.
class Application {
 public:
  Application(Model& model, CommitNumber commit, TimeNs time)
      : model_(model), commit_(commit), time_(time) {}

  Refusal operator()(const SpaceSpec& spec) {
    model_.spaces.push_back(spec);
    model_.rows[spec.name] = 0;
    return {};
  }

  Refusal operator()(const CreateTenant& tenant) {
    model_.tenants.insert(tenant.name);
    return {};
  }

  Refusal operator()(const NewMemory& memory) {
    if (!memory.tenant.empty() && !model_.tenants.contains(memory.tenant)) {
      return Errc::unknown_tenant;
    }
    const MemoryId owner = memory.key.empty() ? 0 : model_.find_key(memory.tenant, memory.key);
    if (memory.mode == PutMode::if_absent && owner != 0) return Errc::key_exists;
    if (memory.mode == PutMode::if_version) {
      const CommitNumber version = owner == 0 ? 0 : model_.find(owner)->memory.version;
      if (version != memory.expected_version) return Errc::version_conflict;
    }
    ids.push_back(owner);
    return owner == 0 ? remember(memory) : revise(owner, memory);
  }

  Refusal operator()(const Supersede& supersede) {
    const ModelMemory* found = model_.find(supersede.id);
    if (found == nullptr) return Errc::unknown_id;
    if (supersede.expected_version != 0 && supersede.expected_version != found->memory.version) {
      return Errc::version_conflict;
    }
    return revise(supersede.id, supersede.next);
  }

  Refusal operator()(const Forget& forget) {
    if (touched_.contains(forget.id)) return Errc::invalid_argument;
    touched_.insert(forget.id);
    if (model_.find(forget.id) == nullptr) return Errc::unknown_id;
    end(forget.id);
    model_.forgotten.insert(forget.id);
    return {};
  }

  Refusal operator()(const Erase& erase) {
    if (touched_.contains(erase.id)) return Errc::invalid_argument;
    touched_.insert(erase.id);
    if (model_.forgotten.erase(erase.id) != 0) return {};
    if (model_.find(erase.id) == nullptr) return Errc::unknown_id;
    end(erase.id);
    return {};
  }

  Refusal operator()(const SetHistory&) { return {}; }

  Refusal operator()(const NewEdge& edge) {
    const std::optional<MemoryId> from = id_of(edge.from);
    const std::optional<MemoryId> to = id_of(edge.to);
    if (!from || !to) return Errc::unknown_id;
    const ModelMemory* source = model_.find(*from);
    const ModelMemory* target = model_.find(*to);
    if (source == nullptr || target == nullptr) return Errc::unknown_id;
    if (source->memory.tenant != target->memory.tenant) return Errc::invalid_argument;
    set_edge({*from, *to, edge.type, edge.weight, edge.valid_from, edge.valid_to, commit_});
    return {};
  }

  Refusal operator()(const Unlink& edge) {
    const std::optional<MemoryId> from = id_of(edge.from);
    const std::optional<MemoryId> to = id_of(edge.to);
    if (!from || !to || model_.find(*from) == nullptr || model_.find(*to) == nullptr) {
      return Errc::unknown_id;
    }
    const std::string& tenant = model_.find(*from)->memory.tenant;
    if (tenant != model_.find(*to)->memory.tenant) return Errc::invalid_argument;
    if (model_.edges.erase({*from, edge.type, *to}) == 0) return Errc::unknown_id;
    model_.edges_in.erase({*to, edge.type, *from});
    return {};
  }

  std::vector<MemoryId> ids;

 private:
  Refusal remember(const NewMemory& memory) {
    if (memory.wanted_id != 0 && memory.wanted_id < model_.next_id) return Errc::already_exists;
    const MemoryId id = memory.wanted_id != 0 ? memory.wanted_id : model_.next_id;
    model_.next_id = id + 1;
    ids.back() = id;
    Memory is;
    is.tenant = memory.tenant;
    is.session = memory.session;
    is.key = memory.key;
    if (!memory.key.empty()) model_.keys.emplace(memory.tenant, memory.key);
    write(id, memory, is);
    if (memory.session.empty()) return {};
    MemoryId& end = model_.line_ends[{memory.tenant, memory.session}];
    if (end != 0) {
      Edge next;
      next.from = end;
      next.to = id;
      next.type = "next";
      next.version = commit_;
      set_edge(next);
    }
    end = id;
    return {};
  }

  // The events beside it on its session's line become each other's; other edges `next` just end.
  void end(MemoryId id) {
    const Memory& memory = model_.find(id)->memory;
    if (!memory.session.empty()) {
      const auto stands_beside = [&](MemoryId other) {
        const ModelMemory* found = model_.find(other);
        return other != id && found != nullptr && found->memory.tenant == memory.tenant &&
               found->memory.session == memory.session;
      };
      MemoryId previous = 0;
      MemoryId following = 0;
      for (const MemoryId other : next_to(model_.edges, id)) {
        cut(id, other);
        if (stands_beside(other) && other > id && following == 0) following = other;
      }
      for (const MemoryId other : next_to(model_.edges_in, id)) {
        cut(other, id);
        if (stands_beside(other) && other < id) previous = other;
      }
      if (previous != 0 && following != 0 &&
          !model_.edges.contains({previous, "next", following})) {
        Edge next;
        next.from = previous;
        next.to = following;
        next.type = "next";
        next.version = commit_;
        set_edge(next);
      }
      MemoryId& newest = model_.line_ends[{memory.tenant, memory.session}];
      if (newest == id) newest = previous;
    }
    model_.memories.erase(id);
  }

  static std::vector<MemoryId> next_to(const std::map<Model::EdgeName, Edge>& edges, MemoryId id) {
    std::vector<MemoryId> others;
    for (auto at = edges.lower_bound({id, "next", 0});
         at != edges.end() && std::get<0>(at->first) == id && std::get<1>(at->first) == "next";
         ++at) {
      others.push_back(std::get<2>(at->first));
    }
    return others;
  }

  void cut(MemoryId from, MemoryId to) {
    model_.edges.erase({from, "next", to});
    model_.edges_in.erase({to, "next", from});
  }

  // A new version keeps tenant, session and key.
  Refusal revise(MemoryId id, const NewMemory& memory) {
    if (touched_.contains(id)) return Errc::invalid_argument;
    const Memory& is = model_.find(id)->memory;
    if (!memory.session.empty() && memory.session != is.session) return Errc::invalid_argument;
    if (!memory.key.empty() && memory.key != is.key) return Errc::invalid_key;
    write(id, memory, is);
    return {};
  }

  void write(MemoryId id, const NewMemory& memory, const Memory& stays) {
    auto made = std::make_shared<ModelMemory>();
    Memory& is = made->memory;
    is.id = id;
    is.version = commit_;
    is.tenant = stays.tenant;
    is.session = stays.session;
    is.key = stays.key;
    is.kind = memory.kind;
    is.content_type = memory.content_type;
    is.content = memory.content;
    is.metadata = memory.metadata;
    is.commit_time = time_;
    is.event_time = memory.event_time.value_or(time_);
    is.valid_from = memory.valid_from;
    is.valid_to = memory.valid_to;
    is.expires = memory.expires;
    is.importance = memory.importance;
    for (const NewVector& vector : memory.vectors) {
      made->vectors[vector.space] = std::make_shared<ModelVector>(vector.values);
    }
    const SpaceSpec* lexical = model_.lexical();
    if (memory.embed && memory.content_type == ContentType::text && lexical != nullptr &&
        has_word(memory.content) && !made->vectors.contains(lexical->name)) {
      made->vectors[lexical->name] = std::make_shared<ModelVector>();
    }
    for (const auto& vector : made->vectors) ++model_.rows[vector.first];
    model_.memories[id] = std::move(made);
    touched_.insert(id);
    ++model_.versions;
  }

  void set_edge(const Edge& edge) {
    model_.edges[{edge.from, edge.type, edge.to}] = edge;
    model_.edges_in[{edge.to, edge.type, edge.from}] = edge;
  }

  [[nodiscard]] std::optional<MemoryId> id_of(const MemoryRef& reference) const {
    if (reference.id != 0) return reference.id;
    if (reference.batch_index < ids.size()) return ids[reference.batch_index];
    return {};
  }

  Model& model_;
  const CommitNumber commit_;
  const TimeNs time_;
  std::set<MemoryId> touched_;
};

}  // namespace

std::expected<std::vector<MemoryId>, Errc> Model::apply(const Batch& batch, CommitNumber number,
                                                        TimeNs time) {
  if (batch.empty()) return std::unexpected(Errc::invalid_argument);
  if (batch.operations().size() > 4096) return std::unexpected(Errc::too_large);
  StaticCheck check(*this);
  for (const Batch::Operation& operation : batch.operations()) {
    if (const Refusal refusal = std::visit(check, operation)) return std::unexpected(*refusal);
  }
  Model next = *this;
  next.commit = number;
  Application application(next, number, time);
  for (const Batch::Operation& operation : batch.operations()) {
    const Refusal refusal = std::visit(application, operation);
    if (refusal) return std::unexpected(*refusal);
  }
  *this = std::move(next);
  return std::move(application.ids);
}

const SpaceSpec* Model::space(std::string_view name) const {
  const auto at = std::ranges::find(spaces, name, &SpaceSpec::name);
  return at == spaces.end() ? nullptr : &*at;
}

const SpaceSpec* Model::lexical() const {
  const auto at = std::ranges::find(spaces, kLexicalModel, &SpaceSpec::model);
  return at == spaces.end() ? nullptr : &*at;
}

MemoryId Model::find_key(std::string_view tenant, std::string_view key) const {
  for (const auto& [id, is] : memories) {
    if (is->memory.key == key && is->memory.tenant == tenant) return id;
  }
  return 0;
}

const ModelMemory* Model::find(MemoryId id) const {
  const auto at = memories.find(id);
  return at == memories.end() ? nullptr : at->second.get();
}

bool Model::shows(const Edge& edge) const {
  return memories.contains(edge.from) && memories.contains(edge.to);
}

// A step takes the first `next` edge by the id at its other end; a line that comes back ends.
std::vector<MemoryId> Model::walk(MemoryId id, bool forward, std::size_t count) const {
  const auto& map = forward ? edges : edges_in;
  std::vector<MemoryId> found;
  std::set<MemoryId> seen = {id};
  while (found.size() < count) {
    const auto at = map.lower_bound({id, "next", 0});
    if (at == map.end() || std::get<0>(at->first) != id || std::get<1>(at->first) != "next") break;
    id = std::get<2>(at->first);
    if (!seen.insert(id).second) break;
    if (memories.contains(id)) found.push_back(id);
  }
  return found;
}

}  // namespace aeon::test
